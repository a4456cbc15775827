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

/** The arrays and texts of a safetensors file. */
export const read = (path: string, options: ReadOptions = {}): TE.TaskEither<CotangentError, Safetensors> =>
  refusing(() => readSafetensors(path, options))
/** Writes arrays and texts to a safetensors file, atomically. */
export const write = (path: string, tensors: Tensors, metadata: Metadata = {}): TE.TaskEither<CotangentError, void> =>
  refusing(() => writeSafetensors(path, tensors, metadata))
