/** What reading and writing files can refuse: one class, whose message names the file and what is wrong with it. */
import { CotangentError } from '../core/errors.ts'

/** A file that can't be read or written, or whose bytes aren't what its format promises. */
export class FileError extends CotangentError {
  override readonly name = 'FileError'
}
