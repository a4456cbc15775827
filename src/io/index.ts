/** `cotangent/io`: arrays to bytes and back, wherever the bytes come from. Files are in `cotangent/io/node`. */
export * from './errors.ts'
export * from './named.ts'
export type { Cast, FileDType } from './dtypes.ts'
export { encodeSafetensors } from './encode.ts'
export type { TensorInfo } from './header.ts'
export { decodeSafetensors, type Metadata, type ReadOptions, type Safetensors, type Tensors } from './safetensors.ts'
