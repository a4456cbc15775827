/**
 * The kernel IR: what a backend compiles. It is closed and neutral: no primitive is named here, and no device.
 * A kernel addresses its buffers by position (`arg`); a launch says which buffers those are. A nest or a dot loads, casts and stores 16-bit
 * floats, and does nothing else with them; other kernels have none, but for the keys and values of one query's attention, and
 * scatters that move them.
 */
import type { DType } from './dtype.ts'
import type { Elementwise } from './ops.ts'
import type { RefOrId } from './ref.ts'

/** An affine function of a kernel's iteration index: `offset + Σ strides[d] · index[d]`. */
export interface Affine {
  readonly strides: readonly number[]
  readonly offset: number
}

/** Holds where `0 <= affine(index) < extent`. */
export interface Guard extends Affine {
  readonly extent: number
}

/** Which element of a buffer an index reaches. Where a guard fails a load gives zero (nothing is read). */
export interface Access extends Affine {
  readonly guards: readonly Guard[]
}

/** Operations on one element. Integer arithmetic wraps; `shl`, `shrLogical` by 32 or more give 0. */
export type ScalarOp =
  | Elementwise
  | 'cast' // from the argument's dtype to the node's: float to int saturates, NaN gives 0, to bool is `!= 0`; 16-bit floats from and to float32 only
  | 'bitcast' // float32, int32, uint32 among one another
  | 'shl'
  | 'shrLogical'
  | 'shrArithmetic'
  | 'threefry0'
  | 'threefry1' // (k0, k1, x0, x1: uint32): one word of the threefry2x32 block

export type Expr =
  /** A buffer's element at an affine place. */
  | { readonly kind: 'load'; readonly dtype: DType; readonly arg: number; readonly access: Access }
  /** A buffer's element at a computed place: an int32 element number, in range by construction. */
  | { readonly kind: 'gather'; readonly dtype: DType; readonly arg: number; readonly index: Expr }
  | { readonly kind: 'const'; readonly dtype: DType; readonly value: number }
  /** The iteration index itself, as int32. */
  | { readonly kind: 'index'; readonly dtype: 'int32'; readonly affine: Affine }
  | { readonly kind: 'apply'; readonly dtype: DType; readonly op: ScalarOp; readonly args: readonly Expr[] }
  /** Over a nest's inner dims. Its argument may contain reductions itself (a later pass over the row). Bool: max is any, min is all. */
  | { readonly kind: 'reduce'; readonly dtype: DType; readonly op: ReduceOp; readonly arg: Expr }
  /** A contraction's finished sum at (batch, m, n); only in a dot's outputs. */
  | { readonly kind: 'acc'; readonly dtype: DType }

export type ReduceOp = 'sum' | 'prod' | 'max' | 'min'

/** What a kernel writes. `rowwise`: once per outer index (strides of inner dims are 0), else at every index. */
export interface Output {
  readonly arg: number
  readonly expr: Expr
  readonly access: Affine
  readonly rowwise: boolean
}

/**
 * Loops over `dims`, of which the last `inner` are reduced over: element-wise chains, reductions, and
 * rows with several reductions and what is computed from them (softmax, layerNorm). Expressions are DAGs: shared
 * nodes are the same object. The first dim is always an outer one; its extent is the launch's (`Segment.extent`), not part of the code,
 * and a kernel runs on any range of the row-major outer index.
 */
export interface Nest {
  readonly kind: 'nest'
  readonly dims: readonly number[]
  readonly inner: number
  readonly args: readonly DType[]
  readonly outputs: readonly Output[]
}

/**
 * ⌊i / by⌋ mod extent, of an index i along m, n or k: what an operand is affine in that isn't in i, as the windows of a convolution are. Digits of
 * one dim stand from the first to the last, and make up all of it.
 */
export interface Digit {
  readonly of: 'm' | 'n' | 'k'
  readonly by: number
  readonly extent: number
}

/**
 * out[b, m, n] = epilogue(Σ_k lhs[b, m, k] · rhs[b, k, n]). `lhs` is an expression over [...batch, m, k], `rhs` over
 * [...batch, k, n], outputs over [...batch, m, n]. Operands hold no reductions, but for `lhs` on a
 * device whose launches are dear: over k, where m and the batch are 1. Several batch dims, one each of m, n, k.
 */
export interface Dot {
  readonly kind: 'dot'
  readonly dtype: DType
  readonly batch: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
  /** Further dims of both operands' index, after those two. */
  readonly digits: readonly Digit[]
  readonly lhs: Expr
  readonly rhs: Expr
  readonly args: readonly DType[]
  readonly outputs: readonly Output[]
}

/** A buffer read or written with strides over the four dims its comment names. */
export interface Strided {
  readonly arg: number
  readonly strides: readonly number[]
  readonly offset: number
}

/** What forward and backward attention share. Query head h reads key/value head floor(h / group). */
export interface AttentionShape {
  readonly batch: number
  readonly heads: number
  readonly group: number
  readonly queries: number
  readonly keys: number
  readonly headDim: number
  readonly valueDim: number
  readonly scale: number
  /** Scaled scores become softcap · tanh(score / softcap), where that isn't null. */
  readonly softcap: number | null
  /** Query i sees keys j with -left <= j - i <= right (null: no bound). Causal is right = 0. */
  readonly left: number | null
  readonly right: number | null
  readonly query: Strided // [batch, head, query, headDim]
  readonly key: Strided // [batch, kv head, key, headDim]
  readonly value: Strided // [batch, kv head, key, valueDim]
  readonly bias: Strided | null // float32, added to scaled and capped scores: [batch, head, query, key]
  readonly mask: Strided | null // bool, false hides: [batch, head, query, key]
  /** Drops a weight with probability `rate`: u = uniform01(threefry(key, 0, i)) with i the row-major [batch, head, query, key] index; kept where u < 1 - rate, scaled by 1/(1-rate). `arg`: two uint32 words. */
  readonly dropout: { readonly arg: number; readonly rate: number } | null
  readonly args: readonly DType[]
}

/** Whether keys and values, or one of them, may be 16-bit floats: of one query, as in decoding, that reads rows which lie on end, where they lie. */
export const readsHalves = ({ queries, dropout, left, headDim, valueDim, key, value }: AttentionShape): boolean => {
  const isDense = ({ strides }: Strided, width: number): boolean => width <= 1 || strides[3] === 1
  return queries === 1 && dropout === null && (left === null || left >= 0) && isDense(key, headDim) && isDense(value, valueDim)
}

/** Flash attention in float32: scores never reach memory. A row with no visible key gives zeros, and lse = -Infinity. */
export interface Attention extends AttentionShape {
  readonly kind: 'attention'
  readonly out: Strided // [batch, head, query, valueDim]
  readonly lse: Strided // logsumexp of each row: [batch, head, query, 1]
}

export interface AttentionGrad extends AttentionShape {
  readonly kind: 'attentionGrad'
  readonly out: Strided
  readonly lse: Strided
  readonly ct: Strided // cotangent of out
  readonly dQuery: Strided
  readonly dKey: Strided // summed over the group's query heads
  readonly dValue: Strided
}

/** Prefix reduction along the middle dim of contiguous [outer, n, inner]: args are [input, output]. */
export interface Cumulative {
  readonly kind: 'cumulative'
  readonly op: ReduceOp
  readonly dtype: DType
  readonly outer: number
  readonly n: number
  readonly inner: number
  readonly reverse: boolean
  readonly args: readonly DType[]
}

/**
 * Stable ascending sort along the middle dim of contiguous [outer, n, inner], by the first `keys` operands lexicographically; the
 * rest follow. NaN sorts last; -0 and 0 are equal. args are [...inputs, ...outputs], as many of each;
 * no output is an input's buffer.
 */
export interface Sort {
  readonly kind: 'sort'
  readonly outer: number
  readonly n: number
  readonly inner: number
  readonly keys: number
  readonly args: readonly DType[]
}

/** So many updates of a scatter are compared one with another. */
export const FEW_UPDATES = 128

/** Whether 16-bit floats are moved as they are: pairs of them, which share a word. */
export const movesHalves = ({ combine, rest }: Scatter): boolean => combine === 'set' && rest % 2 === 0

/**
 * out = x, then for u = 0 … count-1 in order, for j < rest: out[index[u], j] = combine(out[index[u], j], updates[u, j]);
 * an index outside 0 … rows-1 is dropped. All contiguous: args are [x, index: int32, updates, out]; out may be x's buffer.
 */
export interface Scatter {
  readonly kind: 'scatter'
  readonly combine: 'set' | 'add' | 'mul' | 'max' | 'min'
  readonly dtype: DType
  readonly rows: number
  readonly rest: number
  readonly count: number
  /**
   * Over `dims`, the extents of count and then rest, where updates are computed as they are written, with reductions over rest: args are
   * [x, index, ...what it reads, out] then. Only on a device whose launches are dear, of 'set' and no more than FEW_UPDATES.
   */
  readonly update?: { readonly dims: readonly number[]; readonly expr: Expr }
  readonly args: readonly DType[]
}

/** A function of the host's: args are [...inputs, ...outputs], of these shapes. */
export interface HostCall {
  readonly kind: 'hostCall'
  readonly call: RefOrId
  readonly inputs: number
  readonly shapes: readonly (readonly number[])[]
  readonly args: readonly DType[]
}

export type Kernel = Nest | Dot | Attention | AttentionGrad | Cumulative | Sort | Scatter | HostCall
