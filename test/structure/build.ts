/** The package as it is published, built once before the tests, for those that are about it. */
import { execFileSync } from 'node:child_process'

export const setup = (): void => {
  execFileSync('npm', ['run', 'build', '--silent'], { stdio: 'inherit' })
}
