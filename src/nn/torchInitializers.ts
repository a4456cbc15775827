/** Initializers that PyTorch has otherwise than JAX, or alone, as in `torch.nn.init`: options -> (key, shape) -> float32. Weights are [out, in, ...field]. */
import type { NdArray } from '../core/array.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { atLeast, needed, number, oneOf, type Schema, share } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { composed, shapeOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import type { Initializer } from './initializers.ts'
import { orthonormal } from './orthonormal.ts'

const { ceil, floor, sqrt } = Math
const initializer = (name: string, f: (key: NdArray, shape: readonly number[], what: string) => NdArray): Initializer => {
  const what = `nn.torchInitializers.${name}`
  return composed(what, 2, (key: NdArray, shape: readonly number[]) => f(key, shapeOf(what, shape), what))
}
const misfit = (what: string, shape: readonly number[], wanted: string): never => {
  throw new ShapeError(`${what}: [${shape.join(',')}] isn't ${wanted}`)
}
const fansOf = (what: string, shape: readonly number[]): readonly [into: number, out: number] => {
  const [out, into, ...field] = shape
  if (into === undefined) return misfit(what, shape, 'out, in and a field')
  const size = field.reduce((n, m) => n * m, 1)
  return [into * size, out! * size]
}
const within = (key: NdArray, shape: readonly number[], bound: number): NdArray =>
  random.uniform(key, shape, { minval: -bound, maxval: bound })
const spread = (key: NdArray, shape: readonly number[], stddev: number): NdArray => np.mul(random.normal(key, shape), stddev)

export interface GlorotOptions {
  /** Of the deviation; default 1. For tanh 5/3. */
  readonly gain?: number
}
const glorotOptions: Schema<GlorotOptions> = { gain: number }
const glorot = (what: string, shape: readonly number[], { gain = 1 }: GlorotOptions): number => {
  const [into, out] = fansOf(what, shape)
  return gain * sqrt(2 / (into + out))
}
/** Uniform of variance gain² · 2 / (in + out). Glorot and Bengio 2010. @example nn.torchInitializers.xavierUniform({ gain: 5 / 3 })(random.key(0), [8, 4]).shape // [8, 4] */
export const xavierUniform = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.xavierUniform',
  1,
  glorotOptions,
  (options: GlorotOptions = {}): Initializer =>
    initializer('xavierUniform', (key, shape, what) => within(key, shape, sqrt(3) * glorot(what, shape, options))),
)
/** Normal of variance gain² · 2 / (in + out), not truncated. @example nn.torchInitializers.xavierNormal()(random.key(0), [8, 4]).shape // [8, 4] */
export const xavierNormal = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.xavierNormal',
  1,
  glorotOptions,
  (options: GlorotOptions = {}): Initializer =>
    initializer('xavierNormal', (key, shape, what) => spread(key, shape, glorot(what, shape, options))),
)

export interface HeOptions {
  /** What follows the weights; default leakyRelu. Variances are 1 / n for linear ones, 25/9, 2, 2 / (1 + a²) and 9/16 of that for the others. */
  readonly nonlinearity?: 'linear' | 'tanh' | 'relu' | 'leakyRelu' | 'selu'
  /** The slope below 0 of leakyRelu; default 0. With √5, uniform, it is what `torch.nn.Linear` and its convolutions begin with. */
  readonly a?: number
  /** n: numbers in, the default, or out. */
  readonly mode?: 'fanIn' | 'fanOut'
}
const heOptions: Schema<HeOptions> = {
  nonlinearity: oneOf('linear', 'tanh', 'relu', 'leakyRelu', 'selu'),
  a: number,
  mode: oneOf('fanIn', 'fanOut'),
}
const he = (what: string, shape: readonly number[], { nonlinearity = 'leakyRelu', a = 0, mode = 'fanIn' }: HeOptions): number => {
  const gains = { linear: 1, tanh: 5 / 3, relu: Math.SQRT2, leakyRelu: sqrt(2 / (1 + a * a)), selu: 3 / 4 }
  const [into, out] = fansOf(what, shape)
  return gains[nonlinearity] / sqrt(mode === 'fanIn' ? into : out)
}
/** Uniform, of a variance by what follows. He et al. 2015. @example nn.torchInitializers.kaimingUniform({ a: Math.sqrt(5) })(random.key(0), [8, 4]).shape // [8, 4] */
export const kaimingUniform = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.kaimingUniform',
  1,
  heOptions,
  (options: HeOptions = {}): Initializer =>
    initializer('kaimingUniform', (key, shape, what) => within(key, shape, sqrt(3) * he(what, shape, options))),
)
/** Normal, not truncated, of a variance by what follows. @example nn.torchInitializers.kaimingNormal({ nonlinearity: 'relu' })(random.key(0), [8, 4]).shape // [8, 4] */
export const kaimingNormal = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.kaimingNormal',
  1,
  heOptions,
  (options: HeOptions = {}): Initializer =>
    initializer('kaimingNormal', (key, shape, what) => spread(key, shape, he(what, shape, options))),
)

export interface TruncNormalOptions {
  /** Default 0. */
  readonly mean?: number
  /** Default 1. */
  readonly stddev?: number
  /** The least; default -2, whatever the deviation. */
  readonly lower?: number
  /** Default 2. */
  readonly upper?: number
}
const truncNormalOptions: Schema<TruncNormalOptions> = { mean: number, stddev: number, lower: number, upper: number }
/** N(mean, stddev²) kept within lower and upper, which are numbers and no deviations. @example nn.torchInitializers.truncNormal({ stddev: 0.02 })(random.key(0), [4]).shape // [4] */
export const truncNormal = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.truncNormal',
  1,
  truncNormalOptions,
  ({ mean = 0, stddev = 1, lower = -2, upper = 2 }: TruncNormalOptions = {}): Initializer =>
    initializer('truncNormal', (key, shape, what) => {
      if (!(lower < upper)) throw new ArgumentError(`${what}: lower is below upper, and got ${lower} and ${upper}`)
      const draws = random.truncatedNormal(key, (lower - mean) / stddev, (upper - mean) / stddev, shape)
      return np.clip(np.add(np.mul(draws, stddev), mean), lower, upper)
    }),
)

/** The identity [n,m]; the key isn't used. @example nn.torchInitializers.eye()(random.key(0), [2, 2]) // [[1, 0], [0, 1]] */
export const eye = /* @__PURE__ */ takes('nn.torchInitializers.eye', 0, (): Initializer =>
  initializer('eye', (_key, shape, what) => (shape.length === 2 ? np.eye(shape[0]!, { m: shape[1]! }) : misfit(what, shape, 'a matrix'))),
)
export interface DiracOptions {
  /** Of features that meet windows of their own; default 1. */
  readonly groups?: number
}
const diracOptions: Schema<DiracOptions> = { groups: atLeast(1) }
/**
 * Windows [out, in, ...field] that give a convolution's input back, as many features as there are; the key isn't used.
 *
 * @example nn.torchInitializers.dirac()(random.key(0), [2, 1, 3]) // [[[0, 1, 0]], [[0, 0, 0]]]
 * @throws ShapeError where the field hasn't one to three axes, or the groups don't divide out
 */
export const dirac = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.dirac',
  1,
  diracOptions,
  ({ groups = 1 }: DiracOptions = {}): Initializer =>
    initializer('dirac', (_key, shape, what) => {
      const [out, into, ...field] = shape as [number, number, ...number[]]
      if (field.length < 1 || field.length > 3 || out % groups !== 0)
        return misfit(what, shape, `out, which ${groups} groups divide, in, and a field of one to three axes`)
      const all = np.reshape(np.tile(np.eye(out / groups, { m: into }), [groups, 1]), [out, into, ...field.map(() => 1)])
      return np.pad(all, [[0, 0], [0, 0], ...field.map((k): [number, number] => [floor(k / 2), k - 1 - floor(k / 2)])]) // prettier-ignore
    }),
)
/** Of rows [out, in · field], or of columns where they are fewer, at right angles and `gain` long. Saxe et al. 2013. @example nn.torchInitializers.orthogonal()(random.key(0), [8, 4]).shape // [8, 4] */
export const orthogonal = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.orthogonal',
  1,
  glorotOptions,
  ({ gain = 1 }: GlorotOptions = {}): Initializer =>
    initializer('orthogonal', (key, shape, what) => {
      const [out, ...rest] = shape
      if (rest.length === 0) return misfit(what, shape, 'out, in and a field')
      return np.mul(np.reshape(orthonormal(key, out!, rest.reduce((n, m) => n * m, 1)), shape), gain) // prettier-ignore
    }),
)
export interface SparseOptions {
  /** The share of each column that is 0, rounded up to whole numbers. */
  readonly sparsity: number
  /** Default 0.01. */
  readonly stddev?: number
}
const sparseOptions: Schema<SparseOptions> = { sparsity: needed(share), stddev: number }
/** Normal draws of which a share in each column [rows, columns] is 0. Martens 2010. @example nn.torchInitializers.sparse({ sparsity: 0.5 })(random.key(0), [4, 3]).shape // [4, 3] */
export const sparse = /* @__PURE__ */ takesOptions(
  'nn.torchInitializers.sparse',
  1,
  sparseOptions,
  ({ sparsity, stddev = 0.01 }: SparseOptions): Initializer =>
    initializer('sparse', (key, shape, what) => {
      if (shape.length !== 2) return misfit(what, shape, 'a matrix')
      const places = np.argsort(np.argsort(random.uniform(random.foldIn(key, 1), shape), { axis: 0 }), { axis: 0 })
      return np.where(np.less(places, ceil(sparsity * shape[0]!)), 0, spread(random.foldIn(key, 0), shape, stddev))
    }),
)
