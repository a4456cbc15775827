/** How many operands each primitive takes, and what its params are, at run time: for text and data from outside, which no compiler has checked. Total over `OpName`. */
import { type DType, shortName } from './dtype.ts'
import type { Jaxpr } from './jaxpr.ts'
import type { Op, OpName, OpParams } from './ops.ts'

export interface Kind<T> {
  /** As in "must be …". */
  readonly what: string
  readonly is: (value: unknown) => value is T
}
interface Signature<K extends OpName> {
  /** At least, and at most. */
  readonly operands: readonly [min: number, max: number]
  readonly params: { readonly [P in keyof OpParams[K]]: Kind<OpParams[K][P]> }
}

const kind = <T>(what: string, test: (value: unknown) => boolean): Kind<T> => ({ what, is: (value): value is T => test(value) })
const listOf = <T>({ what, is }: Kind<T>): Kind<readonly T[]> => kind(`a list, each ${what}`, (v) => Array.isArray(v) && v.every(is))
const pairOf = <T>({ what, is }: Kind<T>): Kind<readonly [T, T]> =>
  kind(`a pair, each ${what}`, (v) => Array.isArray(v) && v.length === 2 && v.every(is))
const oneOf = <const T extends readonly (string | number)[]>(...values: T): Kind<T[number]> =>
  kind(`one of ${values.join(', ')}`, (v) => values.includes(v as T[number]))
const orNone = <T>({ what, is }: Kind<T>): Kind<T | null> => kind(`${what} or None`, (v) => v === null || is(v))

const int = kind<number>('an integer', Number.isInteger)
const real = kind<number>('a number', (v) => typeof v === 'number')
const bool = kind<boolean>('True or False', (v) => typeof v === 'boolean')
const text = kind<string>('a text', (v) => typeof v === 'string')
const dtype = kind<DType>(`one of ${Object.keys(shortName).join(', ')}`, (v) => typeof v === 'string' && Object.hasOwn(shortName, v))
const jaxpr = kind<Jaxpr>('a jaxpr', (v) => typeof v === 'object' && v !== null && 'eqns' in v)
const ints = listOf(int)

const many = <P>(least: number, params: P) => ({ operands: [least, Infinity], params }) as const
const op = <P>(n: number, params: P) => ({ operands: [n, n], params }) as const
const [unary, binary, ternary] = [op(1, {}), op(2, {}), op(3, {})]
const overAxes = op(1, { axes: ints })
const overAxis = op(1, { axis: int })
const overName = op(1, { axisName: text })
const prefix = op(1, { axis: int, reverse: bool })

const custom = { jaxpr, rule: int, name: text, captured: int }
const attention = { scale: real, left: orNone(int), right: orNone(int), bias: bool, mask: bool, rate: real }

export const signatures: { readonly [K in OpName]: Signature<K> } = {
  neg: unary,
  abs: unary,
  sign: unary,
  floor: unary,
  ceil: unary,
  round: unary,
  exp: unary,
  expm1: unary,
  log: unary,
  log1p: unary,
  sqrt: unary,
  rsqrt: unary,
  sin: unary,
  cos: unary,
  tan: unary,
  asin: unary,
  acos: unary,
  atan: unary,
  sinh: unary,
  cosh: unary,
  tanh: unary,
  asinh: unary,
  acosh: unary,
  atanh: unary,
  erf: unary,
  erfc: unary,
  erfInv: unary,
  logistic: unary,
  not: unary,
  isFinite: unary,
  integerPow: op(1, { y: int }),
  convertElementType: op(1, { dtype, weak: bool }),
  bitcastConvertType: op(1, { dtype }),
  stopGradient: unary,
  add: binary,
  sub: binary,
  mul: binary,
  div: binary,
  rem: binary,
  pow: binary,
  max: binary,
  min: binary,
  atan2: binary,
  nextafter: binary,
  and: binary,
  or: binary,
  xor: binary,
  shiftLeft: binary,
  shiftRightLogical: binary,
  shiftRightArithmetic: binary,
  eq: binary,
  ne: binary,
  lt: binary,
  le: binary,
  gt: binary,
  ge: binary,
  select: ternary,
  clamp: ternary,
  threefry: op(4, { word: oneOf(0, 1) }),
  reduceSum: overAxes,
  reduceProd: overAxes,
  reduceMax: overAxes,
  reduceMin: overAxes,
  reduceAnd: overAxes,
  reduceOr: overAxes,
  argmax: overAxis,
  argmin: overAxis,
  cumsum: prefix,
  cumprod: prefix,
  cummax: prefix,
  cummin: prefix,
  broadcastInDim: op(1, { shape: ints, broadcastDimensions: ints }),
  reshape: op(1, { shape: ints }),
  transpose: op(1, { permutation: ints }),
  rev: op(1, { dimensions: ints }),
  slice: op(1, { startIndices: ints, limitIndices: ints, strides: ints }),
  pad: op(2, { lo: ints, hi: ints, interior: ints }),
  concatenate: many(1, { dimension: int }),
  iota: op(0, { shape: ints, dtype, dimension: int }),
  dynamicSlice: many(1, { sliceSizes: ints }),
  dynamicUpdateSlice: many(2, {}),
  gather: many(2, { axes: ints, mode: oneOf('clip', 'fill') }),
  scatter: many(3, { axes: ints, combine: oneOf('set', 'add') }),
  sort: many(1, { axis: int, numKeys: int }),
  dotGeneral: op(2, { contract: pairOf(ints), batch: pairOf(ints), preferred: orNone(dtype) }),
  dotProductAttention: many(3, attention),
  dotProductAttentionJvp: many(6, { ...attention, moving: listOf(bool) }),
  dotProductAttentionGrad: many(6, attention),
  randomWrap: unary,
  randomUnwrap: unary,
  psum: overName,
  pmax: overName,
  pmin: overName,
  allGather: op(1, { axisName: text, axis: int, size: int }),
  psumScatter: op(1, { axisName: text, axis: int, size: int }),
  allToAll: op(1, { axisName: text, split: int, concat: int, size: int }),
  ppermute: op(1, { axisName: text, perm: listOf(pairOf(int)), size: int }),
  axisIndex: op(0, { axisName: text }),
  scan: many(0, { jaxpr, length: int, reverse: bool, numConsts: int, numCarry: int }),
  while: many(0, { jaxprs: listOf(jaxpr), condConsts: int, bodyConsts: int }),
  cond: many(1, { jaxprs: listOf(jaxpr) }),
  checkpoint: many(0, {
    jaxpr,
    policy: oneOf('nothing', 'everything', 'dots', 'dotsWithNoBatchDims', 'names'),
    names: listOf(text),
    apart: bool,
  }),
  name: op(1, { name: text }),
  callback: many(0, {
    call: int,
    shapes: listOf(ints),
    dtypes: listOf(dtype),
    batch: oneOf('sequential', 'broadcastAll', 'expandDims'),
    debug: bool,
  }),
  jit: many(0, { jaxpr, name: text }),
  linearSolve: many(1, { jaxprs: listOf(jaxpr), numConsts: int }),
  customJvp: many(0, custom),
  customVjp: many(0, custom),
  customVmap: many(0, custom),
  customLinear: many(0, { ...custom, moving: listOf(bool) }),
}

export const isOpName = (name: string): name is OpName => Object.hasOwn(signatures, name)

/** What is wrong with an op's params or its number of operands, in a clause; null when nothing is. */
export const badOp = ({ name, params }: Op, operands: number): string | null => {
  const {
    params: kinds,
    operands: [min, max],
  }: { readonly params: Readonly<Record<string, Kind<unknown>>>; readonly operands: readonly [number, number] } = signatures[name]
  const given = params as Readonly<Record<string, unknown>>
  for (const [key, { what, is }] of Object.entries(kinds)) {
    if (!Object.hasOwn(given, key)) return `${name} needs the param ${key}`
    if (!is(given[key])) return `${name}'s param ${key} must be ${what}`
  }
  const extra = Object.keys(given).find((key) => !Object.hasOwn(kinds, key))
  if (extra !== undefined) return `${name} has no param ${extra}`
  return operands >= min && operands <= max ? null : `${name} takes ${min === max ? min : `${min} or more`} operands, not ${operands}`
}
