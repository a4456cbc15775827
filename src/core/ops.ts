/**
 * Every primitive, declared once: its operands, its params, and its traits. An op is plain data but for functions of the user's, which stand in it as
 * references, so that it can be hashed, printed and compared. The rule table, the emitters and the generators are total over these names.
 */
import { bool, dtype, int, ints, type Kind, kind, type Kinds, listOf, oneOf, orNone, pairOf, real, ref, text } from './params.ts'
import type { Jaxpr } from './jaxpr.ts'
import type { RefOrId } from './ref.ts'

/** By device. */
export interface Ulps {
  readonly wasm: number
  readonly webgpu: number
}

/** What others need to know of a primitive, beside what it computes. */
export interface Traits {
  /** Element-wise: what it costs an element, in additions. Default 1. */
  readonly cost?: number
  /** What it gives is kept for a derivative, and not computed again: contractions, reductions, draws, what runs programs. */
  readonly saved?: true
  /**
   * Units in the last place by which a device's float32 result may be off; without any, results are the same bits on every device. The reference rounds
   * float64 once.
   */
  readonly ulps?: Ulps
  /**
   * What its `ulps` are of. Default: the result. Of a sum, whose terms each device takes in an order of its own, the sum of their magnitudes; or the
   * largest element of all that goes in and comes out.
   */
  readonly rounding?: 'terms' | 'largest'
  /** It speaks of a named axis, or carries a jaxpr that may. */
  readonly named?: true
  /** It stands for the equations of its jaxpr: `always` (a jit), or for a `device` (functions with rules of the user's). */
  readonly opens?: 'always' | 'device'
}

interface Declaration<P> {
  /** How many operands it takes: at least, and at most. */
  readonly operands: readonly [min: number, max: number]
  readonly params: Kinds<P>
  readonly traits: Traits
}

const jaxpr: Kind<Jaxpr> = kind('a jaxpr', (v) => typeof v === 'object' && v !== null && 'eqns' in v)

/** Of no params. */
const none: Kinds<Readonly<Record<never, never>>> = {}
const op = <P>(operands: number, params: Kinds<P>, traits: Traits = {}): Declaration<P> => ({
  operands: [operands, operands],
  params,
  traits,
})
const many = <P>(least: number, params: Kinds<P>, traits: Traits = {}): Declaration<P> => ({
  operands: [least, Infinity],
  params,
  traits,
})

/** An operation of a device's on elements (`ScalarOp`), of operands of one shape and dtype, or scalars. */
const elementwise = (operands: number, traits: Traits = {}) => ({ ...op(operands, none, traits), scalar: true }) as const
/** One that is summed as a series. */
const series = (operands: number, wasm: number, webgpu: number) => elementwise(operands, { cost: 8, ulps: { wasm, webgpu } })
const quotient = { cost: 3 }
const within = (ulps: number): Ulps => ({ wasm: ulps, webgpu: ulps })

const saved = { saved: true } as const
const carrier = { saved: true, named: true } as const
const named = { named: true } as const
const overAxes = op(1, { axes: ints }, saved)
const [inAnyOrder, sumOf] = [
  { ...saved, ulps: within(16) },
  { ...saved, ulps: within(16), rounding: 'terms' },
] as const
const overAxis = op(1, { axis: int }, saved)
const prefix = op(1, { axis: int, reverse: bool }, saved)
const overName = op(1, { axisName: text }, named)

/** What attention and its derivatives share. */
export interface AttentionParams {
  /** Of the scores, before the bias. */
  readonly scale: number
  /** Scores become softcap · tanh(score / softcap), before the bias (null: they stay). */
  readonly softcap: number | null
  /** Query i sees keys j with -left <= j - i <= right (null: no bound). */
  readonly left: number | null
  readonly right: number | null
  /** Which optional operands are there. */
  readonly bias: boolean
  readonly mask: boolean
  /** Of dropout; a key operand is there where it is above 0. */
  readonly rate: number
}
const attention: Kinds<AttentionParams> = {
  ...{ scale: real, softcap: orNone(real), left: orNone(int), right: orNone(int) },
  ...{ bias: bool, mask: bool, rate: real },
}

interface CustomParams {
  readonly jaxpr: Jaxpr
  readonly rule: RefOrId
  readonly name: string
  /** Leading operands that the function closed over: the rule doesn't know them. */
  readonly captured: number
}
const custom: Kinds<CustomParams> = { jaxpr, rule: ref, name: text, captured: int }
/** A function with rules of the user's. */
const withRules = many(0, custom, { ...carrier, opens: 'device' })

export const ops = {
  // element-wise, one operand
  neg: elementwise(1),
  abs: elementwise(1),
  sign: elementwise(1),
  floor: elementwise(1),
  ceil: elementwise(1),
  /** Half to even. */
  round: elementwise(1),
  exp: series(1, 1, 2),
  expm1: series(1, 1.5, 2),
  log: series(1, 1, 2),
  log1p: series(1, 1, 2),
  sqrt: elementwise(1, quotient),
  rsqrt: elementwise(1, { ...quotient, ulps: within(2) }),
  sin: series(1, 1.75, 2),
  cos: series(1, 1.75, 2),
  tan: series(1, 2.5, 4),
  asin: series(1, 1.5, 3),
  acos: series(1, 1.5, 3),
  atan: series(1, 1.75, 3),
  sinh: series(1, 1.75, 3),
  cosh: series(1, 1.5, 3),
  tanh: series(1, 2.5, 2),
  asinh: series(1, 2, 3),
  acosh: series(1, 2.25, 3),
  atanh: series(1, 2.25, 3),
  cbrt: series(1, 1, 2),
  erf: series(1, 2, 2),
  erfc: series(1, 8, 8),
  /** float32's own formula, as XLA's: 1 - x² is rounded, which near ±1 moves it by up to 2^-13 of itself. */
  erfInv: series(1, 128, 128),
  logistic: series(1, 2, 3),
  /** Logical on bool, bitwise on integers. */
  not: elementwise(1),
  isFinite: elementwise(1),
  integerPow: op(1, { y: int }, { ulps: within(4) }),
  convertElementType: op(1, { dtype, weak: bool }),
  bitcastConvertType: op(1, { dtype }),
  stopGradient: op(1, none),
  // element-wise, more
  add: elementwise(2),
  sub: elementwise(2),
  mul: elementwise(2),
  div: elementwise(2, quotient),
  /** Of integers: div truncates, x/0 = -1 (uint32: 2^32-1), rem has the dividend's sign, x rem 0 = x. */
  rem: elementwise(2, quotient),
  pow: series(2, 1.25, 4),
  /** max and min propagate NaN. */
  max: elementwise(2),
  min: elementwise(2),
  atan2: series(2, 1.75, 4),
  nextafter: elementwise(2),
  and: elementwise(2),
  or: elementwise(2),
  xor: elementwise(2),
  shiftLeft: op(2, none),
  shiftRightLogical: op(2, none),
  shiftRightArithmetic: op(2, none),
  // of numbers, keys never
  eq: elementwise(2),
  ne: elementwise(2),
  lt: elementwise(2),
  le: elementwise(2),
  gt: elementwise(2),
  ge: elementwise(2),
  /** (condition: bool, ifTrue, ifFalse) */
  select: elementwise(3),
  /** (low, x, high) */
  clamp: op(3, none),
  /** (k0, k1, x0, x1: uint32): a word of the block. */
  threefry: op(4, { word: oneOf(0, 1) }, { ...saved, cost: 60 }),
  // reductions
  reduceSum: op(1, { axes: ints }, sumOf),
  reduceProd: op(1, { axes: ints }, inAnyOrder),
  reduceMax: overAxes,
  reduceMin: overAxes,
  reduceAnd: overAxes,
  reduceOr: overAxes,
  argmax: overAxis,
  argmin: overAxis,
  cumsum: op(1, { axis: int, reverse: bool }, sumOf),
  cumprod: op(1, { axis: int, reverse: bool }, inAnyOrder),
  cummax: prefix,
  cummin: prefix,
  // layout
  broadcastInDim: op(1, { shape: ints, broadcastDimensions: ints }),
  reshape: op(1, { shape: ints }),
  transpose: op(1, { permutation: ints }),
  rev: op(1, { dimensions: ints }),
  slice: op(1, { startIndices: ints, limitIndices: ints, strides: ints }),
  /** (x, value) */
  pad: op(2, { lo: ints, hi: ints, interior: ints }),
  concatenate: many(1, { dimension: int }),
  iota: op(0, { shape: ints, dtype, dimension: int }),
  /** (x, ...starts: int32[]): a negative start counts from the end; then the window is moved to fit. */
  dynamicSlice: many(1, { sliceSizes: ints }, saved),
  /** (x, update, ...starts: int32[]), placed as dynamicSlice does. */
  dynamicUpdateSlice: many(2, none, saved),
  /**
   * (x, index per axis: int32[I…]): picks x at the indices along `axes`; the result is [...I, ...the other axes of x]. Outside the
   * axis, `clip` takes the nearest element and `fill` gives NaN (the least int, true).
   */
  gather: many(2, { axes: ints, mode: oneOf('clip', 'fill') }, saved),
  /** (x, updates: [...I, ...others], index per axis): in row-major order of I; an index outside is dropped. */
  scatter: many(3, { axes: ints, combine: oneOf('set', 'add') }, saved),
  /** Several operands of one shape. */
  sort: many(1, { axis: int, numKeys: int }, saved),
  // contractions
  dotGeneral: op(2, { contract: pairOf(ints), batch: pairOf(ints), preferred: orNone(dtype) }, { ...sumOf, ulps: within(32) }),
  /**
   * (x: [group, batch, feature, ...space], w: [group, out, feature, ...window]) -> [group, batch, out, ...places]: sums of products over the
   * windows inside x, padded by `lo` and `hi` zeros, `strides` apart, with elements `dilation` apart. What is dilated itself is so before.
   */
  convGeneralDilated: op(
    2,
    { strides: ints, dilation: ints, lo: ints, hi: ints, preferred: orNone(dtype) },
    { ...sumOf, ulps: within(32) },
  ),
  /** x -> [...places, ...window]: the windows inside x. */
  windows: op(1, { window: ints, strides: ints, dilation: ints }),
  /** [...places, ...window] -> `shape`: the sum of what lies at each element, where `windows` has it from. */
  overlapAdd: op(1, { shape: ints, strides: ints, dilation: ints }, sumOf),
  /** (query, key, value, bias?, mask?, key?) -> (out, logsumexp of each row) */
  dotProductAttention: many(3, attention, { ...saved, ulps: within(64), rounding: 'largest' }),
  /** (…, out, logsumexp, then the tangents of those of query, key, value and bias that move): linear in the tangents. */
  dotProductAttentionJvp: many(6, { ...attention, moving: listOf(bool) }, { ...saved, ulps: within(256), rounding: 'largest' }),
  /** (…, out, logsumexp, cotangent of out) -> cotangents of query, key, value */
  dotProductAttentionGrad: many(6, attention, { ...saved, ulps: within(256), rounding: 'largest' }),
  // keys
  /** uint32[…,2] -> key[…] */
  randomWrap: op(1, none),
  /** key[…] -> uint32[…,2] */
  randomUnwrap: op(1, none),
  // over named axes, of `size` examples: they end where their vmap is applied
  psum: overName,
  pmax: overName,
  pmin: overName,
  /** The examples' arrays along a new axis. */
  allGather: op(1, { axisName: text, axis: int, size: int }, named),
  /** The sum, whose elements along `axis` are dealt out. */
  psumScatter: op(1, { axisName: text, axis: int, size: int }, named),
  /** Elements along `split` are dealt out; what comes from all stands along `concat`, an axis of the rest. */
  allToAll: op(1, { axisName: text, split: int, concat: int, size: int }, named),
  /** From and to, a pair each. Zeros where no pair goes. */
  ppermute: op(1, { axisName: text, perm: listOf(pairOf(int)), size: int }, named),
  axisIndex: op(0, { axisName: text }, named),
  // carriers of jaxprs
  /** (...consts, ...carry, ...xs) -> (...carry, ...ys): `jaxpr` of (consts, carry, an element of each xs) gives (carry, an element of each ys). */
  scan: many(0, { jaxpr, length: int, reverse: bool, numConsts: int, numCarry: int }, carrier),
  /** (...condConsts, ...bodyConsts, ...carry) -> carry: `jaxprs` are the condition, of (condConsts, carry), and the body, of (bodyConsts, carry). */
  while: many(0, { jaxprs: listOf(jaxpr), condConsts: int, bodyConsts: int }, carrier),
  /** (index: int32, ...operands): what the branch gives that the index, moved into range, chooses. */
  cond: many(1, { jaxprs: listOf(jaxpr) }, carrier),
  /** What a policy doesn't keep is computed again for the derivative: `apart`, as a program of its own. */
  checkpoint: many(
    0,
    { jaxpr, policy: oneOf('nothing', 'everything', 'dots', 'dotsWithNoBatchDims', 'names'), names: listOf(text), apart: bool },
    carrier,
  ),
  name: op(1, { name: text }, saved),
  /**
   * A function of the host's. `batch`: what a batch of calls is, one after another, or one call with the batch axis in front of all
   * operands, or of those that have it and one of 1. `debug`: it is called for its effects, and its result is nobody's.
   */
  callback: many(
    0,
    {
      call: ref,
      shapes: listOf(ints),
      dtypes: listOf(dtype),
      batch: oneOf('sequential', 'broadcastAll', 'expandDims'),
      debug: bool,
    },
    saved,
  ),
  jit: many(0, { jaxpr, name: text }, { ...carrier, opens: 'always' }),
  /**
   * (...consts, ...b) -> the x that A x = b, whose derivatives are those of the solution and not of how it was found. `jaxprs`, each of (consts, vector):
   * A, what solves it, and where they are known Aᵀ and what solves that.
   */
  linearSolve: many(1, { jaxprs: listOf(jaxpr), numConsts: int }, carrier),
  customJvp: withRules,
  customVjp: withRules,
  /** And with a rule of the user's for batches. */
  customVmap: withRules,
  /** (…residuals, a tangent for each operand of the function that `moving` names) -> tangents of outs: what a customVjp's transpose turns around. */
  customLinear: many(0, { ...custom, moving: listOf(bool) }, carrier),
} as const

export type OpName = keyof typeof ops
/** The primitives that are an operation of a device's on elements. */
export type Elementwise = { [K in OpName]: (typeof ops)[K] extends { readonly scalar: true } ? K : never }[OpName]
type ParamsOf<D> = D extends Declaration<infer P> ? P : never
/** The params of each, as an interface, so that they are known of a name that is one of several. */
export interface OpParams extends Readonly<{ [K in OpName]: ParamsOf<(typeof ops)[K]> }> {}
export type Op = { readonly [K in OpName]: { readonly name: K; readonly params: OpParams[K] } }[OpName]

export const traitsOf = (name: OpName): Traits => ops[name].traits
/** By how many float32s a device's result may differ from the reference's: on any device, or on one. */
export const ulpsOf = (name: OpName, device?: keyof Ulps): number => {
  const { wasm, webgpu } = traitsOf(name).ulps ?? { wasm: 0, webgpu: 0 }
  const bound = device === undefined ? Math.max(wasm, webgpu) : { wasm, webgpu }[device]
  return Math.floor(bound + 0.5) // the reference's is half a place off what is right
}
export const isOpName = (name: string): name is OpName => Object.hasOwn(ops, name)

/** What is wrong with an op's params or its number of operands, in a clause; null when nothing is. */
export const badOp = ({ name, params }: Op, operands: number): string | null => {
  const declared: Declaration<Readonly<Record<string, unknown>>> = ops[name]
  const given = params as Readonly<Record<string, unknown>>
  for (const [key, { what, is }] of Object.entries(declared.params)) {
    if (!Object.hasOwn(given, key)) return `${name} needs the param ${key}`
    if (!is(given[key])) return `${name}'s param ${key} must be ${what}`
  }
  const extra = Object.keys(given).find((key) => !Object.hasOwn(declared.params, key))
  if (extra !== undefined) return `${name} has no param ${extra}`
  const [min, max] = declared.operands
  return operands >= min && operands <= max ? null : `${name} takes ${min === max ? min : `${min} or more`} operands, not ${operands}`
}
