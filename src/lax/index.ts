/** `lax`: the primitives under JAX's names. Strict: nothing promotes, and only scalars broadcast. `np` is the gentle skin. */
export * from './collectives.ts'
export * from './associativeScan.ts'
export type { Arrays } from './body.ts'
export * from './branches.ts'
export * from './loops.ts'
export * from './elementwise.ts'
export * from './layout.ts'
export * from './reductions.ts'
