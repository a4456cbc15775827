/** Suites that need what a machine may lack. Where it does they are skipped, and the report says why; in CI on Linux x64 they fail. */
import { describe, test } from 'vitest'
import { supported } from '../../examples/software/swiftshader.ts'

/** Nothing may be missing: a green run on this machine says that these suites ran. */
const required = supported && (process.env['CI'] ?? '') !== ''

/** `reason`: what is missing; null when nothing is. */
export const describeUnless = (reason: string | null, name: string, suite: () => void | Promise<void>): void => {
  if (reason === null) return void describe(name, suite)
  const title = `${name}: NOT RUN, ${reason}`
  if (!required) console.warn(title)
  test(title, (context) => {
    if (required) throw new Error(reason)
    context.skip(reason)
  })
}
