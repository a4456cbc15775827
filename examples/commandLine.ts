/** How a command ends that can't do what it was asked: one sentence, and an exit code that isn't zero. */
import { CotangentError } from '../src/index.ts'
import { Refusal } from './train/refusal.ts'

const isUsers = (error: unknown): error is Error =>
  error instanceof Refusal ||
  error instanceof CotangentError ||
  (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
export const command = async (run: () => Promise<void>): Promise<void> => {
  try {
    await run()
  } catch (error) {
    if (!isUsers(error)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
