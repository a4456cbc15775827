/** A function for every primitive that rules and the public floors build with: strict, as in `jax.lax`. No broadcasting but of scalars. */
import type { NdArray } from './array.ts'
import { type Aval, aval, eqShape } from './aval.ts'
import { computedIn, type DType, isFloat } from './dtype.ts'
import type { OpName, OpParams } from './ops.ts'
import { bind, constant, numberAt } from './trace.ts'

type NoParams = { [K in OpName]: keyof OpParams[K] extends never ? K : never }[OpName]
/** The primitive of one operand and no params. */
export const op1 =
  (name: NoParams) =>
  (x: NdArray): NdArray =>
    bind(name, {}, [x])[0]!
const op2 =
  (name: NoParams) =>
  (x: NdArray, y: NdArray): NdArray =>
    bind(name, {}, [x, y])[0]!

export const neg = op1('neg')
export const abs = op1('abs')
export const sign = op1('sign')
export const floor = op1('floor')
export const ceil = op1('ceil')
export const round = op1('round')
export const exp = op1('exp')
export const log = op1('log')
export const log1p = op1('log1p')
export const sqrt = op1('sqrt')
export const rsqrt = op1('rsqrt')
export const sin = op1('sin')
export const cos = op1('cos')
export const sinh = op1('sinh')
export const cosh = op1('cosh')
export const erf = op1('erf')
export const erfc = op1('erfc')
export const erfInv = op1('erfInv')
export const logistic = op1('logistic')
export const tanh = op1('tanh')
export const not = op1('not')
export const isFinite = op1('isFinite')
export const stopGradient = op1('stopGradient')
export const randomWrap = op1('randomWrap')
export const randomUnwrap = op1('randomUnwrap')

export const add = op2('add')
export const sub = op2('sub')
export const mul = op2('mul')
export const div = op2('div')
export const rem = op2('rem')
export const pow = op2('pow')
export const max = op2('max')
export const min = op2('min')
export const atan2 = op2('atan2')
export const nextafter = op2('nextafter')
export const and = op2('and')
export const or = op2('or')
export const xor = op2('xor')
export const shiftLeft = op2('shiftLeft')
export const shiftRightLogical = op2('shiftRightLogical')
export const shiftRightArithmetic = op2('shiftRightArithmetic')
export const eq = op2('eq')
export const ne = op2('ne')
export const lt = op2('lt')
export const le = op2('le')
export const gt = op2('gt')
export const ge = op2('ge')

export const select = (condition: NdArray, ifTrue: NdArray, ifFalse: NdArray): NdArray =>
  bind('select', {}, [condition, ifTrue, ifFalse])[0]!
export const clamp = (low: NdArray, x: NdArray, high: NdArray): NdArray => bind('clamp', {}, [low, x, high])[0]!
export const integerPow = (x: NdArray, y: number): NdArray => bind('integerPow', { y }, [x])[0]!
export const convertElementType = (x: NdArray, dtype: DType, weak = false): NdArray =>
  x.aval.dtype === dtype && x.aval.weak === weak
    ? x
    : ((isFloat(dtype) ? numberAt(x, aval([], dtype, weak)) : null) ?? bind('convertElementType', { dtype, weak }, [x])[0]!)
export const bitcastConvertType = (x: NdArray, dtype: DType): NdArray => bind('bitcastConvertType', { dtype }, [x])[0]!

/** What it is computed with: 16-bit floats as float32. */
export const widened = (x: NdArray): NdArray => convertElementType(x, computedIn(x.dtype), x.aval.weak)
/** f, of operands of one dtype: where that is a float of 16 bits everything inside is float32, and only the result is rounded. */
export const roundedOnce =
  (f: (...xs: NdArray[]) => NdArray) =>
  (...xs: NdArray[]): NdArray => {
    const out = f(...xs.map(widened))
    return convertElementType(out, xs[0]!.dtype, out.aval.weak)
  }

/** A word of threefry-2x32's block. */
export const threefry = (word: 0 | 1, k0: NdArray, k1: NdArray, x0: NdArray, x1: NdArray): NdArray =>
  bind('threefry', { word }, [k0, k1, x0, x1])[0]!

const reducer =
  (name: 'reduceSum' | 'reduceProd' | 'reduceMax' | 'reduceMin' | 'reduceAnd' | 'reduceOr') =>
  (x: NdArray, axes: readonly number[]): NdArray =>
    bind(name, { axes }, [x])[0]!
export const reduceSum = reducer('reduceSum')
export const reduceProd = reducer('reduceProd')
export const reduceMax = reducer('reduceMax')
export const reduceMin = reducer('reduceMin')
export const reduceAnd = reducer('reduceAnd')
export const reduceOr = reducer('reduceOr')
export const argmax = (x: NdArray, axis: number): NdArray => bind('argmax', { axis }, [x])[0]!
export const argmin = (x: NdArray, axis: number): NdArray => bind('argmin', { axis }, [x])[0]!

const prefix =
  (name: 'cumsum' | 'cumprod' | 'cummax' | 'cummin') =>
  (x: NdArray, axis: number, reverse = false): NdArray =>
    bind(name, { axis, reverse }, [x])[0]!
export const cumsum = prefix('cumsum')
export const cumprod = prefix('cumprod')
export const cummax = prefix('cummax')
export const cummin = prefix('cummin')

export const broadcastInDim = (x: NdArray, shape: readonly number[], broadcastDimensions: readonly number[]): NdArray =>
  eqShape(x.shape, shape) ? x : bind('broadcastInDim', { shape, broadcastDimensions }, [x])[0]!
export const reshape = (x: NdArray, shape: readonly number[]): NdArray =>
  eqShape(x.shape, shape) ? x : bind('reshape', { shape }, [x])[0]!
export const transpose = (x: NdArray, permutation: readonly number[]): NdArray =>
  permutation.every((p, i) => p === i) && permutation.length === x.ndim ? x : bind('transpose', { permutation }, [x])[0]!
export const rev = (x: NdArray, dimensions: readonly number[]): NdArray => bind('rev', { dimensions }, [x])[0]!
export const slice = (
  x: NdArray,
  startIndices: readonly number[],
  limitIndices: readonly number[],
  strides: readonly number[] = startIndices.map(() => 1),
): NdArray => bind('slice', { startIndices, limitIndices, strides }, [x])[0]!
export const pad = (
  x: NdArray,
  value: NdArray,
  lo: readonly number[],
  hi: readonly number[],
  interior: readonly number[] = lo.map(() => 0),
): NdArray => bind('pad', { lo, hi, interior }, [x, value])[0]!
export const concatenate = (xs: readonly NdArray[], dimension: number): NdArray => bind('concatenate', { dimension }, xs)[0]!
export const iota = (shape: readonly number[], dtype: DType, dimension: number): NdArray =>
  bind('iota', { shape, dtype, dimension }, [])[0]!
export const dynamicSlice = (x: NdArray, starts: readonly NdArray[], sliceSizes: readonly number[]): NdArray =>
  bind('dynamicSlice', { sliceSizes }, [x, ...starts])[0]!
export const dynamicUpdateSlice = (x: NdArray, update: NdArray, starts: readonly NdArray[]): NdArray =>
  bind('dynamicUpdateSlice', {}, [x, update, ...starts])[0]!
export const gather = (x: NdArray, indices: readonly NdArray[], axes: readonly number[], mode: 'clip' | 'fill'): NdArray =>
  bind('gather', { axes, mode }, [x, ...indices])[0]!
export const scatter = (
  x: NdArray,
  updates: NdArray,
  indices: readonly NdArray[],
  axes: readonly number[],
  combine: 'set' | 'add',
): NdArray => bind('scatter', { axes, combine }, [x, updates, ...indices])[0]!
export const sort = (xs: readonly NdArray[], axis: number, numKeys = 1): NdArray[] => bind('sort', { axis, numKeys }, xs)

export const dotGeneral = (
  lhs: NdArray,
  rhs: NdArray,
  contract: OpParams['dotGeneral']['contract'],
  batch: OpParams['dotGeneral']['batch'] = [[], []],
  preferred: DType | null = null,
): NdArray => bind('dotGeneral', { contract, batch, preferred }, [lhs, rhs])[0]!

export const convGeneralDilated = (
  x: NdArray,
  w: NdArray,
  { strides, dilation, lo, hi }: Omit<OpParams['convGeneralDilated'], 'preferred'>,
  preferred: DType | null = null,
): NdArray => bind('convGeneralDilated', { strides, dilation, lo, hi, preferred }, [x, w])[0]!
export const windows = (x: NdArray, window: readonly number[], strides: readonly number[], dilation: readonly number[]): NdArray =>
  bind('windows', { window, strides, dilation }, [x])[0]!
export const overlapAdd = (x: NdArray, shape: readonly number[], strides: readonly number[], dilation: readonly number[]): NdArray =>
  bind('overlapAdd', { shape, strides, dilation }, [x])[0]!

/** A constant of x's dtype that meets x in an element-wise op. */
export const lit = (x: NdArray, value: number): NdArray => constant(value, aval([], x.aval.dtype, x.aval.weak))
export const full = (shape: readonly number[], value: number, dtype: DType): NdArray =>
  broadcastInDim(constant(value, aval([], dtype)), shape, [])
export const zerosLike = (a: Aval): NdArray =>
  a.dtype === 'key' ? randomWrap(full([...a.shape, 2], 0, 'uint32')) : full(a.shape, 0, a.dtype)
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
/** Moves one axis; the others keep their order. */
export const moveAxis = (x: NdArray, from: number, to: number): NdArray => {
  if (from === to) return x
  const permutation = range(x.ndim).filter((d) => d !== from)
  permutation.splice(to, 0, from)
  return transpose(x, permutation)
}
