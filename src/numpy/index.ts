/** `np`: NumPy's names and JAX's semantics over immutable arrays. Operands broadcast and promote; options come last. */
export * from './close.ts'
export * from './contract.ts'
export {
  arange,
  array,
  type ArrayOptions,
  astype,
  type DTypeOptions,
  eye,
  type EyeOptions,
  full,
  fullLike,
  linspace,
  type LinspaceOptions,
  meshgrid,
  type MeshgridOptions,
  ones,
  onesLike,
  tri,
  zeros,
  zerosLike,
} from './create.ts'
export * from './elementwise.ts'
export * from './indexing.ts'
export {
  broadcastArrays,
  broadcastTo,
  concatenate,
  diag,
  diff,
  expandDims,
  flip,
  moveaxis,
  pad,
  type PadOptions,
  ravel,
  repeat,
  reshape,
  roll,
  split,
  squeeze,
  stack,
  swapaxes,
  tile,
  trace,
  transpose,
  tril,
  triu,
} from './layout.ts'
export * as linalg from './linalg.ts'
export * from './order.ts'
export * from './reduce.ts'
