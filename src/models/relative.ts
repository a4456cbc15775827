/** Positions by distance: every head adds a learned number to its scores, by the bucket of the distance. A stack of such layers, as T5 has (Raffel et al. 2020). */
import type { NdArray } from '../core/array.ts'
import { convertElementType, iota } from '../core/constructors.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import { type BlockConfig, blockOf, type BlockParams, type Drawing, layersOf, normOf, type NormParams } from './block.ts'

export interface Relative {
  readonly buckets: number
  readonly maxDistance: number
  /** Every layer has numbers of its own (UMT5). */
  readonly own: boolean
}
export interface Table {
  readonly w: NdArray // [buckets,H]
}
export interface LayerParams extends BlockParams {
  readonly relative?: Table
}
export interface StackParams {
  /** Shared by all layers, where they have none of their own. */
  readonly relative?: Table
  readonly layers: readonly LayerParams[]
  readonly norm: NormParams
}

/** As T5 was: matrices of 1/√(numbers summed), queries' of 1/√headDim of that, since their scores aren't scaled. */
export const stackOf = (draw: Drawing, config: BlockConfig, relative: Relative, layers: number, across: boolean): StackParams => {
  const { width, norm, attention } = config
  const times = (x: NdArray, factor: number): NdArray => convertElementType(np.mul(x, factor), x.dtype)
  const summed: Drawing = { ...draw, normal: (shape) => times(draw.normal(shape), 1 / Math.sqrt(shape.at(-1)!)) }
  const small = <P extends BlockParams['attn']>(p: P): P => ({ ...p, q: { weight: times((p.q as { weight: NdArray }).weight, 1 / Math.sqrt(attention.headDim)) } }) // prettier-ignore
  const table = (own: boolean): { readonly relative?: Table } =>
    relative.own === own ? { relative: { w: times(draw.normal([relative.buckets, attention.heads]), 1 / Math.sqrt(width)) } } : {}
  return {
    ...table(false),
    layers: layersOf(layers, () => {
      const own = blockOf(summed, config, across)
      return { ...own, ...table(true), attn: small(own.attn), ...(own.cross === undefined ? {} : { cross: small(own.cross) }) }
    }),
    norm: normOf(draw, width, norm),
  }
}

/** What every head of a layer adds where queries at these positions, int32 [B,T], look at keys 0 to S: [B,H,T,S]. */
export const relativeBias = (
  shared: Table | undefined,
  positions: NdArray,
  S: number,
  { buckets, maxDistance }: Relative,
  bidirectional: boolean,
): ((layer: LayerParams) => NdArray) => {
  const [B, T] = positions.shape as readonly [number, number]
  const distances = np.sub(iota([B, T, S], 'int32', 2), np.expandDims(positions, 2))
  const places = nn.relativeBuckets(distances, { buckets, maxDistance, bidirectional })
  const of = (table: Table): NdArray => np.transpose(nn.embedding(table, places), [0, 3, 1, 2])
  const all = shared === undefined ? null : of(shared)
  return ({ relative }) => all ?? of(relative!)
}

/** float16 has no room for what T5's layers may add up to: it stays within, where Transformers has it stay, so that no infinity meets another. */
export const within = (h: NdArray): NdArray => (h.dtype === 'float16' ? np.clip(h, -64_504, 64_504) : h)
