/**
 * Every primitive, by name, with the type of its params. An op is plain data, so that it can be hashed, printed, compared and
 * sent to another process. The rule table, the emitters and the generators are total over these names.
 */
import type { DType } from './dtype.ts'
import type { Jaxpr } from './jaxpr.ts'

type None = Readonly<Record<never, never>>
type Axes = { readonly axes: readonly number[] }
type Axis = { readonly axis: number }
type Named = { readonly axisName: string }
/** How many examples the named axis has. */
type Size = { readonly size: number }
/** What attention and its derivatives share. */
export interface AttentionParams {
  /** Of the scores, before the bias. */
  readonly scale: number
  /** Query i sees keys j with -left <= j - i <= right (null: no bound). */
  readonly left: number | null
  readonly right: number | null
  /** Which optional operands are there. */
  readonly bias: boolean
  readonly mask: boolean
  /** Of dropout; a key operand is there where it is above 0. */
  readonly rate: number
}
interface CustomParams {
  readonly jaxpr: Jaxpr
  readonly rule: number
  readonly name: string
  /** Leading operands that the function closed over: the rule doesn't know them. */
  readonly captured: number
}
type Prefix = { readonly axis: number; readonly reverse: boolean }

export interface OpParams {
  // element-wise, one operand
  readonly neg: None
  readonly abs: None
  readonly sign: None
  readonly floor: None
  readonly ceil: None
  readonly round: None
  readonly exp: None
  readonly expm1: None
  readonly log: None
  readonly log1p: None
  readonly sqrt: None
  readonly rsqrt: None
  readonly sin: None
  readonly cos: None
  readonly tan: None
  readonly asin: None
  readonly acos: None
  readonly atan: None
  readonly sinh: None
  readonly cosh: None
  readonly tanh: None
  readonly asinh: None
  readonly acosh: None
  readonly atanh: None
  readonly erf: None
  readonly erfc: None
  readonly erfInv: None
  readonly logistic: None
  readonly not: None
  readonly isFinite: None
  readonly integerPow: { readonly y: number }
  readonly convertElementType: { readonly dtype: DType; readonly weak: boolean }
  readonly bitcastConvertType: { readonly dtype: DType }
  readonly stopGradient: None
  // element-wise, two operands of one shape and dtype
  readonly add: None
  readonly sub: None
  readonly mul: None
  readonly div: None
  readonly rem: None
  readonly pow: None
  readonly max: None
  readonly min: None
  readonly atan2: None
  readonly nextafter: None
  readonly and: None
  readonly or: None
  readonly xor: None
  readonly shiftLeft: None
  readonly shiftRightLogical: None
  readonly shiftRightArithmetic: None
  readonly eq: None
  readonly ne: None
  readonly lt: None
  readonly le: None
  readonly gt: None
  readonly ge: None
  // element-wise, more
  readonly select: None // (condition: bool, ifTrue, ifFalse)
  readonly clamp: None // (low, x, high)
  readonly threefry: { readonly word: 0 | 1 } // (k0, k1, x0, x1: uint32)
  // reductions
  readonly reduceSum: Axes
  readonly reduceProd: Axes
  readonly reduceMax: Axes
  readonly reduceMin: Axes
  readonly reduceAnd: Axes
  readonly reduceOr: Axes
  readonly argmax: Axis
  readonly argmin: Axis
  readonly cumsum: Prefix
  readonly cumprod: Prefix
  readonly cummax: Prefix
  readonly cummin: Prefix
  // layout
  readonly broadcastInDim: { readonly shape: readonly number[]; readonly broadcastDimensions: readonly number[] }
  readonly reshape: { readonly shape: readonly number[] }
  readonly transpose: { readonly permutation: readonly number[] }
  readonly rev: { readonly dimensions: readonly number[] }
  readonly slice: {
    readonly startIndices: readonly number[]
    readonly limitIndices: readonly number[]
    readonly strides: readonly number[]
  }
  readonly pad: { readonly lo: readonly number[]; readonly hi: readonly number[]; readonly interior: readonly number[] } // (x, value)
  readonly concatenate: { readonly dimension: number }
  readonly iota: { readonly shape: readonly number[]; readonly dtype: DType; readonly dimension: number }
  /** (x, ...starts: int32[]): a negative start counts from the end; then the window is moved to fit. */
  readonly dynamicSlice: { readonly sliceSizes: readonly number[] }
  readonly dynamicUpdateSlice: None // (x, update, ...starts: int32[]), placed as dynamicSlice does
  /**
   * (x, index per axis: int32[I…]): picks x at the indices along `axes`; the result is [...I, ...the other axes of x]. Outside the
   * axis, `clip` takes the nearest element and `fill` gives NaN (the least int, true).
   */
  readonly gather: { readonly axes: readonly number[]; readonly mode: 'clip' | 'fill' }
  /** (x, updates: [...I, ...others], index per axis): in row-major order of I; an index outside is dropped. */
  readonly scatter: { readonly axes: readonly number[]; readonly combine: 'set' | 'add' }
  readonly sort: { readonly axis: number; readonly numKeys: number } // several operands of one shape
  // contractions
  readonly dotGeneral: {
    readonly contract: readonly [lhs: readonly number[], rhs: readonly number[]]
    readonly batch: readonly [lhs: readonly number[], rhs: readonly number[]]
    readonly preferred: DType | null
  }
  readonly dotProductAttention: AttentionParams // (query, key, value, bias?, mask?, key?) -> (out, logsumexp of each row)
  /** (…, out, logsumexp, then the tangents of those of query, key, value and bias that move): linear in the tangents. */
  readonly dotProductAttentionJvp: AttentionParams & { readonly moving: readonly boolean[] }
  readonly dotProductAttentionGrad: AttentionParams // (…, out, logsumexp, cotangent of out) -> cotangents of query, key, value
  // keys
  readonly randomWrap: None // uint32[…,2] -> key[…]
  readonly randomUnwrap: None // key[…] -> uint32[…,2]
  // over named axes: they end where their vmap is applied
  readonly psum: Named
  readonly pmax: Named
  readonly pmin: Named
  /** The examples' arrays along a new axis. */
  readonly allGather: Named & Axis & Size
  /** The sum, whose elements along `axis` are dealt out. */
  readonly psumScatter: Named & Axis & Size
  /** Elements along `split` are dealt out; what comes from all stands along `concat`, an axis of the rest. */
  readonly allToAll: Named & Size & { readonly split: number; readonly concat: number }
  /** Zeros where no pair goes. */
  readonly ppermute: Named & Size & { readonly perm: readonly (readonly [from: number, to: number])[] }
  readonly axisIndex: Named
  // carriers of jaxprs
  /** (...consts, ...carry, ...xs) -> (...carry, ...ys): `jaxpr` of (consts, carry, an element of each xs) gives (carry, an element of each ys). */
  readonly scan: {
    readonly jaxpr: Jaxpr
    readonly length: number
    readonly reverse: boolean
    readonly numConsts: number
    readonly numCarry: number
  }
  /** (...condConsts, ...bodyConsts, ...carry) -> carry: `jaxprs` are the condition, of (condConsts, carry), and the body, of (bodyConsts, carry). */
  readonly while: { readonly jaxprs: readonly Jaxpr[]; readonly condConsts: number; readonly bodyConsts: number }
  /** (index: int32, ...operands): what the branch gives that the index, moved into range, chooses. */
  readonly cond: { readonly jaxprs: readonly Jaxpr[] }
  /** What a policy doesn't keep is computed again for the derivative: `apart`, as a program of its own. */
  readonly checkpoint: {
    readonly jaxpr: Jaxpr
    readonly policy: 'nothing' | 'everything' | 'dots' | 'dotsWithNoBatchDims' | 'names'
    readonly names: readonly string[]
    readonly apart: boolean
  }
  readonly name: { readonly name: string }
  /** A function of the host's, by its number. `debug`: it is called for its effects, and its result is nobody's. */
  readonly callback: {
    readonly call: number
    readonly shapes: readonly (readonly number[])[]
    readonly dtypes: readonly DType[]
    /** What a batch of calls is: one after another, or one call with the batch axis in front of all operands, or of those that have it and one of 1. */
    readonly batch: 'sequential' | 'broadcastAll' | 'expandDims'
    readonly debug: boolean
  }
  readonly jit: { readonly jaxpr: Jaxpr; readonly name: string }
  /**
   * (...consts, ...b) -> the x that A x = b, whose derivatives are those of the solution and not of how it was found. `jaxprs`, each of (consts, vector):
   * A, what solves it, and where they are known Aᵀ and what solves that.
   */
  readonly linearSolve: { readonly jaxprs: readonly Jaxpr[]; readonly numConsts: number }
  /** Functions with derivative rules of the user's: `rule` is a number in the table of callbacks, so that the op stays plain data. */
  readonly customJvp: CustomParams
  readonly customVjp: CustomParams
  /** And with a rule of the user's for batches. */
  readonly customVmap: CustomParams
  /** (…residuals, a tangent for each operand of the function that `moving` names) -> tangents of outs: what a customVjp's transpose turns around. */
  readonly customLinear: CustomParams & { readonly moving: readonly boolean[] }
}

export type OpName = keyof OpParams
export type Op = { readonly [K in OpName]: { readonly name: K; readonly params: OpParams[K] } }[OpName]
