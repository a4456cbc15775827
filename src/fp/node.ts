/**
 * `cotangent/fp/node`: safetensors files, with what refuses them on the left.
 *
 * @example
 * import { read } from 'cotangent/fp/node'
 * (await read('nothing.safetensors')())._tag // 'Left'
 */
import '../runtime.ts'
import type * as TE from '#fp-ts/TaskEither.js'
import type { CotangentError } from '../core/errors.ts'
import type { Metadata, ReadOptions, Safetensors, Tensors } from '../io/index.ts'
import { readSafetensors, writeSafetensors } from '../io/node.ts'
import { refusing } from './index.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { readOptions } from '../io/safetensors.ts'

/** The arrays and texts of a safetensors file. */
export const read = /* @__PURE__ */ takesOptions(
  'fp.read',
  2,
  readOptions,
  (path: string, options: ReadOptions = {}): TE.TaskEither<CotangentError, Safetensors> => refusing(() => readSafetensors(path, options)),
)
/** Writes arrays and texts to a safetensors file, atomically. */
export const write = /* @__PURE__ */ takes(
  'fp.write',
  3,
  (path: string, tensors: Tensors, metadata: Metadata = {}): TE.TaskEither<CotangentError, void> =>
    refusing(() => writeSafetensors(path, tensors, metadata)),
)
