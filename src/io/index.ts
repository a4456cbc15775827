/** `cotangent/io`: arrays to bytes and back, wherever the bytes come from. Files are in `cotangent/io/node`. */
import '../runtime.ts'
export * from './errors.ts'
export * from './named.ts'
export { decodeSafetensors, encodeSafetensors, type Metadata, type Safetensors, type Tensors } from './safetensors.ts'
