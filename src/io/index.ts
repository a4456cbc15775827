/**
 * `cotangent/io`: arrays to bytes and back, wherever the bytes come from. Files are in `cotangent/io/node`.
 *
 * @example
 * import { decodeSafetensors } from 'cotangent/io'
 * const header = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
 * const bytes = new Uint8Array([header.length, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(header), 0, 0, 128, 63])
 * decodeSafetensors(bytes, 'w').tensors['w']!.toArray() // [1]
 */
import '../runtime.ts'
export * from './errors.ts'
export * from './named.ts'
export type { Cast, FileDType } from './dtypes.ts'
export { encodeSafetensors } from './encode.ts'
export type { TensorInfo } from './header.ts'
export { decodeSafetensors, type Metadata, type ReadOptions, type Safetensors, type Tensors } from './safetensors.ts'
export { fromTorch, type TorchKind, type TorchModules, type TorchOptions, toTorch } from './torch.ts'
