/** All of the golden file of semantics: values, dtypes, shapes and gradients where JAX, NumPy and common sense disagree. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as c from '../../src/core/constructors.ts'
import { type DType, type HostArray, isFloat, typedArrayOf } from '../../src/core/dtype.ts'
import { grad, lax, type NdArray, np } from '../../src/index.ts'
import * as nn from '../../src/nn/index.ts'
import { promoteTypes } from '../../src/numpy/promote.ts'
import { difference } from '../laws/compare.ts'

interface Golden {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
interface Params {
  readonly axis?: number
  readonly approximate?: boolean
  readonly ddof?: number
  readonly decimals?: number
  readonly descending?: boolean
  readonly dtype?: DType
  readonly endpoint?: boolean
  readonly index?: number
  readonly isCausal?: boolean
  readonly k?: number
  readonly keepdims?: boolean
  readonly length?: number
  readonly localWindowSize?: readonly [number, number]
  readonly max?: number
  readonly min?: number
  readonly mode?: 'fill' | 'clip' | 'wrap'
  readonly num?: number
  readonly numClasses?: number
  readonly operands?: readonly string[]
  readonly pick?: number
  readonly scale?: number
  readonly shift?: number
  readonly sliceSizes?: readonly number[]
  readonly start?: number
  readonly startIndices?: readonly number[]
  readonly step?: number
  readonly stop?: number
  readonly subscripts?: string
  readonly value?: number
  readonly weights?: readonly number[]
  readonly y?: number
}
interface Case {
  readonly fn: string
  readonly inputs: readonly Golden[]
  readonly params: Params
  readonly out: Golden
  readonly grads?: readonly (Golden | null)[]
}
interface File {
  readonly promotion: readonly {
    readonly a: string
    readonly b: string
    readonly x64: boolean
    readonly out: { readonly dtype: DType; readonly weak: boolean }
  }[]
  readonly functions: readonly Case[]
  readonly gradients: readonly Case[]
}
const golden = JSON.parse(readFileSync(new URL('../golden/semantics.json', import.meta.url), 'utf8')) as File

const arrayOf = (g: Golden): NdArray =>
  np.array(typedArrayOf(g.dtype).from(g.data.map(Number)) as HostArray, { shape: g.shape, dtype: g.dtype })
const starts = (p: Params): NdArray[] => p.startIndices!.map((i) => np.array(i, { dtype: 'int32' }))

type Call = (xs: readonly NdArray[], p: Params) => NdArray
const one =
  (f: (x: NdArray) => NdArray): Call =>
  ([x]) =>
    f(x!)
const two =
  (f: (x: NdArray, y: NdArray) => NdArray): Call =>
  ([x, y]) =>
    f(x!, y!)
const reduced =
  (f: (x: NdArray, options: Params) => NdArray): Call =>
  ([x], p) =>
    f(x!, p)
const picked =
  (f: (x: NdArray, options: Params) => NdArray): Call =>
  ([x], p) =>
    p.pick === undefined ? f(x!, p) : f(x!, {}).slice(p.pick)
const placed =
  (how: 'set' | 'add' | 'mul' | 'min' | 'max'): Call =>
  ([x, i, v], p) =>
    np.at(x!, i ?? p.index!)[how](v ?? p.value!)

const calls: Readonly<Record<string, Call>> = {
  ...Object.fromEntries((['set', 'add', 'mul', 'min', 'max'] as const).map((how) => [`at.${how}`, placed(how)])),
  get: ([x, ...i], p) => np.slice(x!, ...(i.length > 0 ? i : [p.index!])),
  take: ([x, i], p) => np.take(x!, i!, p),
  takeAlongAxis: ([x, i], p) => np.takeAlongAxis(x!, i!, p.axis!),
  dynamicSlice: ([x], p) => c.dynamicSlice(x!, starts(p), p.sliceSizes!),
  dynamicUpdateSlice: ([x, u], p) => c.dynamicUpdateSlice(x!, u!, starts(p)),
  clamp: ([lo, x, hi]) => c.clamp(lo!, x!, hi!),
  rsqrt: one(c.rsqrt),
  erfInv: one(lax.erfInv),
  abs: one(np.abs),
  acos: one(np.acos),
  asin: one(np.asin),
  atanh: one(np.atanh),
  cbrt: one(np.cbrt),
  floor: one(np.floor),
  log: one(np.log),
  log1p: one(np.log1p),
  reciprocal: one(np.reciprocal),
  sign: one(np.sign),
  sqrt: one(np.sqrt),
  square: one(np.square),
  tanh: one(np.tanh),
  trunc: one(np.trunc),
  tril: one(np.tril),
  triu: ([x], p) => np.triu(x!, p.k),
  round: reduced(np.round),
  integerPow: ([x], p) => np.pow(x!, p.y!),
  atan2: two(np.atan2),
  divide: two(np.divide),
  dot: two(np.dot),
  floorDivide: two(np.floorDivide),
  fmax: two(np.fmax),
  fmin: two(np.fmin),
  fmod: two(np.fmod),
  hypot: two(np.hypot),
  isclose: two(np.isclose),
  logaddexp: two(np.logaddexp),
  matmul: two(np.matmul),
  maximum: two(np.maximum),
  minimum: two(np.minimum),
  mod: two(np.mod),
  power: two(np.power),
  searchsorted: two(np.searchsorted),
  clip: ([x], p) => np.clip(x!, p.min, p.max),
  where: ([p, x, y], { y: otherwise }) =>
    y === undefined && otherwise === undefined ? np.where(p!, np.sqrt(x!), 0) : np.where(p!, x!, y ?? otherwise!),
  bincount: ([x], p) => np.bincount(x!, p.length!),
  diff: reduced(np.diff),
  roll: ([x], p) => np.roll(x!, p.shift!, { axis: p.axis! }),
  arange: (_, { start, stop, step, dtype }) => np.arange(start ?? 0, stop, step, dtype === undefined ? {} : { dtype }),
  linspace: (_, p) => np.linspace(p.start!, p.stop!, p.num, { endpoint: p.endpoint! }),
  einsum: (xs, p) => np.einsum(p.subscripts!, ...xs),
  sort: ([x], p) => (p.weights === undefined ? np.sort(x!, p) : np.mul(np.sort(x!), np.array(p.weights))),
  argsort: reduced(np.argsort),
  median: reduced(np.median),
  norm: one(np.linalg.norm),
  sum: reduced(np.sum),
  prod: reduced(np.prod),
  max: reduced(np.max),
  min: reduced(np.min),
  any: reduced(np.any),
  all: reduced(np.all),
  mean: reduced(np.mean),
  var: reduced(np.var),
  std: reduced(np.std),
  nanmax: reduced(np.nanmax),
  nanmin: reduced(np.nanmin),
  nansum: reduced(np.nansum),
  nanmean: reduced(np.nanmean),
  argmax: reduced(np.argmax),
  argmin: reduced(np.argmin),
  cumsum: reduced(np.cumsum),
  cumprod: reduced(np.cumprod),
  cummax: reduced(np.cummax),
  cummin: reduced(np.cummin),
  logsumexp: reduced(np.logsumexp),
  softmax: picked(nn.softmax),
  logSoftmax: picked(nn.logSoftmax),
  gelu: reduced(nn.gelu),
  standardize: one(nn.standardize),
  oneHot: ([x], p) => nn.oneHot(x!, p.numClasses!),
  relu: one(nn.relu),
  relu6: one(nn.relu6),
  silu: one(nn.silu),
  sigmoid: one(nn.sigmoid),
  softplus: one(nn.softplus),
  elu: one(nn.elu),
  leakyRelu: one(nn.leakyRelu),
  logSigmoid: one(nn.logSigmoid),
  mish: one(nn.mish),
  softSign: one(nn.softSign),
  hardTanh: one(nn.hardTanh),
}
/** Defined where the attention layer is. */
const elsewhere: ReadonlySet<string> = new Set(['dotProductAttention'])

/** Float32 steps that JAX's own kernels round too: sums in another order, exp and log of XLA's polynomials. Values are near 1. */
const ULP = 16
const head = (x: { readonly dtype: DType; readonly shape: readonly number[] }): string => `${x.dtype}[${x.shape.join(',')}]`
const mismatch = (got: NdArray, want: Golden): string | null =>
  head(got) === head(want)
    ? difference(got.toTyped(), typedArrayOf(want.dtype).from(want.data.map(Number)), want.dtype, isFloat(want.dtype) ? ULP : 0, 1, false)
    : `got ${head(got)}, expected ${head(want)}`

const groups = (cases: readonly Case[]): Map<string, Case[]> => {
  const out = new Map<string, Case[]>()
  for (const x of cases) out.set(x.fn, [...(out.get(x.fn) ?? []), x])
  return out
}
const say = ({ params, inputs }: Case): string => `${JSON.stringify(params)} of ${inputs.map(head).join(', ')}`

describe('functions give what JAX gives', () => {
  for (const [fn, cases] of groups(golden.functions.filter((x) => !elsewhere.has(x.fn))))
    test(fn, () => {
      const wrong = cases.flatMap((x) => {
        const off = mismatch(calls[fn]!(x.inputs.map(arrayOf), x.params), x.out)
        return off === null ? [] : [`${say(x)}: ${off}`]
      })
      expect(wrong).toEqual([])
    })
})

describe('gradients are those of JAX', () => {
  for (const [fn, cases] of groups(golden.gradients))
    test(fn, () => {
      const wrong = cases.flatMap((x) => {
        const inputs = x.inputs.map(arrayOf)
        const argnums = x.grads!.flatMap((g, i) => (g === null ? [] : [i]))
        const off = mismatch(calls[fn]!(inputs, x.params), x.out)
        const grads = grad((...xs: readonly NdArray[]) => np.sum(calls[fn]!(xs, x.params)), { argnums })(...inputs) as readonly NdArray[]
        const offs = argnums.map((n, i) => mismatch(grads[i]!, x.grads![n]!))
        return [off, ...offs].flatMap((o, i) => (o === null ? [] : [`${say(x)}: ${i === 0 ? 'out' : `gradient ${argnums[i - 1]}`} ${o}`]))
      })
      expect(wrong).toEqual([])
    })
})

describe('dtypes promote as in JAX', () => {
  const parse = (name: string): readonly [DType, boolean] =>
    name === 'weak int' ? ['int32', true] : name === 'weak float' ? ['float32', true] : [name as DType, false]
  test('by the table', () => {
    for (const { a, b, out } of golden.promotion) {
      const [[da, wa], [db, wb]] = [parse(a), parse(b)]
      expect(promoteTypes(da, db, wa, wb), `${a} and ${b}`).toEqual(out)
    }
  })
  test('in add', () => {
    const operand = (name: string): NdArray | number => (name === 'weak int' ? 1 : name === 'weak float' ? 1.5 : np.ones([], name as DType))
    for (const { a, b, out } of golden.promotion) {
      if (a.startsWith('weak') && b.startsWith('weak')) continue // two JavaScript numbers don't say which is whole
      const { dtype, weak } = np.add(operand(a), operand(b)).aval
      expect({ dtype, weak }, `${a} + ${b}`).toEqual(out)
    }
  })
})

test('integers round to tens, hundreds and so on, halves to the even one, as NumPy does', () => {
  const round = (xs: readonly number[], decimals: number, dtype: DType = 'int32'): unknown =>
    np.round(np.array(xs, { dtype }), { decimals }).toArray()
  expect(round([15, 25, -15, -25, 27, -34, 1234, 5, 0], -1)).toEqual([20, 20, -20, -20, 30, -30, 1230, 0, 0])
  expect(round([1234, 1250, 1350, -1250], -2)).toEqual([1200, 1200, 1400, -1200])
  expect(round([2147483647, -2147483648, 500000000, 1500000000], -9)).toEqual([2e9, -2e9, 0, 2e9])
  expect(round([4294967295, 3500000000, 2500000000], -9, 'uint32')).toEqual([4e9, 4e9, 2e9])
  expect(round([2147483647, -5], -10)).toEqual([0, 0])
  expect(round([1234], 2)).toEqual([1234])
  fc.assert(
    fc.property(fc.integer({ min: -2e9, max: 2e9 }), fc.integer({ min: 1, max: 9 }), (x, digits) => {
      const got = (round([x], -digits) as number[])[0]!
      const off = Math.abs(got - x) * 2
      expect(got % 10 ** digits).toBe(got < 0 ? -0 : 0)
      expect(off < 10 ** digits || (off === 10 ** digits && (got / 10 ** digits) % 2 === 0)).toBe(true)
    }),
  )
})
