/** Initializers: options -> (key, shape) -> float32 array, as in `jax.nn.initializers`. Weights are [...field, in, out]. PyTorch's are in torchInitializers. */
import type { NdArray } from '../core/array.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { composed, shapeOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import { needed, number, oneOf, option, type Schema, whole, wholes } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { orthonormal } from './orthonormal.ts'

export type Initializer = (key: NdArray, shape: readonly number[]) => NdArray
const initializer = (what: string, f: Initializer): Initializer => composed(`nn.initializers.${what}`, 2, f)
const { fround, sqrt } = Math

/** 0 everywhere; the key isn't used. @example nn.initializers.zeros()(random.key(0), [2]) // [0, 0] */
export const zeros = /* @__PURE__ */ takes('nn.initializers.zeros', 0, (): Initializer =>
  initializer('zeros', (_key, shape) => np.zeros(shape)),
)
/** 1 everywhere; the key isn't used. @example nn.initializers.ones()(random.key(0), [2]) // [1, 1] */
export const ones = /* @__PURE__ */ takes('nn.initializers.ones', 0, (): Initializer =>
  initializer('ones', (_key, shape) => np.ones(shape)),
)
/** The value everywhere; the key isn't used. @example nn.initializers.constant(3)(random.key(0), [2]) // [3, 3] */
export const constant = /* @__PURE__ */ takes('nn.initializers.constant', 1, (value: number): Initializer =>
  initializer('constant', (_key, shape) => np.full(shape, value, 'float32')),
)
export interface SpreadOptions {
  /** Default 0.01. */
  readonly stddev?: number
}
const spreadOptions: Schema<SpreadOptions> = { stddev: number }
/** N(0, stddev²). @example nn.initializers.normal({ stddev: 0.02 })(random.key(0), [4, 4]).shape // [4, 4] */
export const normal = /* @__PURE__ */ takesOptions(
  'nn.initializers.normal',
  1,
  spreadOptions,
  (options: SpreadOptions = {}): Initializer => {
    const { stddev = 0.01 } = options
    return initializer('normal', (key, shape) => np.mul(random.normal(key, shape), stddev))
  },
)
export interface TruncatedOptions extends SpreadOptions {
  /** In standard deviations; default -2. */
  readonly lower?: number
  /** Default 2. */
  readonly upper?: number
}
const truncatedOptions: Schema<TruncatedOptions> = { ...spreadOptions, lower: number, upper: number }
/**
 * N(0, stddev²) kept within bounds, two standard deviations unless said: what remains has a deviation of 0.88 stddev.
 *
 * @example nn.initializers.truncatedNormal()(random.key(0), [4, 4]).shape // [4, 4]
 */
export const truncatedNormal = /* @__PURE__ */ takesOptions(
  'nn.initializers.truncatedNormal',
  1,
  truncatedOptions,
  ({ stddev = 0.01, lower = -2, upper = 2 }: TruncatedOptions = {}): Initializer =>
    initializer('truncatedNormal', (key, shape) => np.mul(random.truncatedNormal(key, lower, upper, shape), stddev)),
)
export interface UniformOptions {
  /** Default 0. */
  readonly minval?: number
  /** Default 0.01. */
  readonly maxval?: number
}
const uniformOptions: Schema<UniformOptions> = { minval: number, maxval: number }
/** Uniform in [minval, maxval). @example nn.initializers.uniform({ maxval: 0.01 })(random.key(0), [4]).shape // [4] */
export const uniform = /* @__PURE__ */ takesOptions(
  'nn.initializers.uniform',
  1,
  uniformOptions,
  ({ minval = 0, maxval = 0.01 }: UniformOptions = {}): Initializer =>
    initializer('uniform', (key, shape) => random.uniform(key, shape, { minval, maxval })),
)

export interface AxesOptions {
  /** Of what is summed; default -2. */
  readonly inAxis?: number | readonly number[]
  /** Of what is given; default -1. */
  readonly outAxis?: number | readonly number[]
  /** Of what stands beside one another; default none. All other axes are a window's. */
  readonly batchAxis?: number | readonly number[]
}
const axesOptions: Schema<AxesOptions> = { inAxis: wholes, outAxis: wholes, batchAxis: wholes }
export interface ScalingOptions extends AxesOptions {
  readonly scale: number
  /** What the variance is divided by: numbers in, numbers out, their mean or their geometric mean. */
  readonly mode: 'fanIn' | 'fanOut' | 'fanAvg' | 'fanGeoAvg'
  /** 'truncatedNormal' keeps draws within two deviations, and is widened so that the variance is as said. */
  readonly distribution: 'truncatedNormal' | 'normal' | 'uniform'
}
const scalingOptions: Schema<ScalingOptions> = {
  ...axesOptions,
  scale: needed(option(ArgumentError, 'a number of 0 or more', (x) => typeof x === 'number' && x >= 0 && x < Infinity)),
  mode: needed(oneOf('fanIn', 'fanOut', 'fanAvg', 'fanGeoAvg')),
  distribution: needed(oneOf('truncatedNormal', 'normal', 'uniform')),
}
/** The standard deviation of a standard normal kept within ±2. */
const TRUNCATED = fround(0.8796256610342398)
const fansOf = (
  what: string,
  shape: readonly number[],
  { inAxis = -2, outAxis = -1, batchAxis = [] }: AxesOptions,
): readonly [into: number, out: number] => {
  const over = (axes: number | readonly number[]): number =>
    [axes].flat().reduce((n, axis) => {
      const size = shape.at(axis)
      if (size === undefined) throw new ShapeError(`${what}: [${shape.join(',')}] has no axis ${axis}, of which the fan is made`)
      return n * size
    }, 1)
  const [into, out] = [over(inAxis), over(outAxis)]
  const field = shape.reduce((n, m) => n * m, 1) / into / out / over(batchAxis)
  return [into * field, out * field]
}
const means = { fanIn: (into: number) => into, fanOut: (_: number, out: number) => out, fanAvg: (into: number, out: number) => (into + out) / 2, fanGeoAvg: (into: number, out: number) => sqrt(into * out) } // prettier-ignore
const scaled = (name: string, { scale, mode, distribution, ...axes }: ScalingOptions): Initializer => {
  const what = `nn.initializers.${name}`
  return initializer(name, (key, given) => {
    const shape = shapeOf(what, given)
    const variance = fround(scale / means[mode](...fansOf(what, shape, axes)))
    switch (distribution) {
      case 'uniform':
        return np.mul(random.uniform(key, shape, { minval: -1 }), fround(sqrt(fround(3 * variance))))
      case 'normal':
        return np.mul(random.normal(key, shape), fround(sqrt(variance)))
      case 'truncatedNormal':
        return np.mul(random.truncatedNormal(key, -2, 2, shape), fround(fround(sqrt(variance)) / TRUNCATED))
    }
  })
}
/**
 * Mean 0 and the variance scale / fan, of draws of your choice: what those by name below are made of. As `jax.nn.initializers.variance_scaling`.
 *
 * @example nn.initializers.varianceScaling({ scale: 1, mode: 'fanOut', distribution: 'normal' })(random.key(0), [4, 8]).shape // [4, 8]
 * @throws ShapeError where the shape lacks an axis; ArgumentError for a variance below 0
 */
export const varianceScaling = /* @__PURE__ */ takesOptions(
  'nn.initializers.varianceScaling',
  1,
  scalingOptions,
  (options: ScalingOptions): Initializer => scaled('varianceScaling', options),
)
const byName = (name: string, scale: number, mode: ScalingOptions['mode'], distribution: ScalingOptions['distribution']) =>
  takesOptions(`nn.initializers.${name}`, 1, axesOptions, (axes: AxesOptions = {}): Initializer =>
    scaled(name, { ...axes, scale, mode, distribution }),
  )
/** Variance 2 / (in + out), uniform: for tanh (Glorot and Bengio 2010). @example nn.initializers.glorotUniform()(random.key(0), [4, 8]).shape // [4, 8] */
export const glorotUniform = /* @__PURE__ */ byName('glorotUniform', 1, 'fanAvg', 'uniform')
/** Variance 2 / (in + out), of draws within two deviations. @example nn.initializers.glorotNormal()(random.key(0), [4, 8]).shape // [4, 8] */
export const glorotNormal = /* @__PURE__ */ byName('glorotNormal', 1, 'fanAvg', 'truncatedNormal')
/** Variance 1 / in, uniform: for selu, or linear layers (LeCun et al. 1998). @example nn.initializers.lecunUniform()(random.key(0), [4, 8]).shape // [4, 8] */
export const lecunUniform = /* @__PURE__ */ byName('lecunUniform', 1, 'fanIn', 'uniform')
/** Variance 1 / in, of draws within two deviations. @example nn.initializers.lecunNormal()(random.key(0), [4, 8]).shape // [4, 8] */
export const lecunNormal = /* @__PURE__ */ byName('lecunNormal', 1, 'fanIn', 'truncatedNormal')
/** Variance 2 / in, uniform: for relu (He et al. 2015). @example nn.initializers.heUniform()(random.key(0), [4, 8]).shape // [4, 8] */
export const heUniform = /* @__PURE__ */ byName('heUniform', 2, 'fanIn', 'uniform')
/** Variance 2 / in, of draws within two deviations. @example nn.initializers.heNormal()(random.key(0), [4, 8]).shape // [4, 8] */
export const heNormal = /* @__PURE__ */ byName('heNormal', 2, 'fanIn', 'truncatedNormal')
/** JAX's other name of `glorotUniform`. @example nn.initializers.xavierUniform()(random.key(0), [4, 8]).shape // [4, 8] */
export const xavierUniform = /* @__PURE__ */ byName('xavierUniform', 1, 'fanAvg', 'uniform')
/** JAX's other name of `glorotNormal`. @example nn.initializers.xavierNormal()(random.key(0), [4, 8]).shape // [4, 8] */
export const xavierNormal = /* @__PURE__ */ byName('xavierNormal', 1, 'fanAvg', 'truncatedNormal')
/** JAX's other name of `heUniform`. @example nn.initializers.kaimingUniform()(random.key(0), [4, 8]).shape // [4, 8] */
export const kaimingUniform = /* @__PURE__ */ byName('kaimingUniform', 2, 'fanIn', 'uniform')
/** JAX's other name of `heNormal`. @example nn.initializers.kaimingNormal()(random.key(0), [4, 8]).shape // [4, 8] */
export const kaimingNormal = /* @__PURE__ */ byName('kaimingNormal', 2, 'fanIn', 'truncatedNormal')

export interface OrthogonalOptions {
  /** Of all of it; default 1. */
  readonly scale?: number
  /** The axis of the columns; all others are one, the rows'. Default -1. */
  readonly columnAxis?: number
}
const orthogonalOptions: Schema<OrthogonalOptions> = { scale: number, columnAxis: whole }
const rotated = (what: string, key: NdArray, shape: readonly number[], { scale = 1, columnAxis = -1 }: OrthogonalOptions): NdArray => {
  const columns = shape.at(columnAxis)
  if (shape.length < 2 || columns === undefined)
    throw new ShapeError(`${what}: rows and columns are needed, and [${shape.join(',')}] has none along axis ${columnAxis}`)
  const rest = shape.filter((_, d) => d !== (columnAxis + shape.length) % shape.length)
  const matrix = orthonormal(key, rest.reduce((n, m) => n * m, 1), columns) // prettier-ignore
  return np.mul(np.moveaxis(np.reshape(matrix, [...rest, columns]), -1, columnAxis), scale)
}
/**
 * An orthogonal matrix, uniformly drawn; where it isn't square, its columns (or rows, if they are fewer) are orthonormal. Saxe et al. 2013.
 *
 * @example nn.initializers.orthogonal()(random.key(0), [4, 8]).shape // [4, 8]
 * @throws ShapeError for fewer than two axes
 */
export const orthogonal = /* @__PURE__ */ takesOptions(
  'nn.initializers.orthogonal',
  1,
  orthogonalOptions,
  (options: OrthogonalOptions = {}): Initializer =>
    initializer('orthogonal', (key, shape) =>
      rotated('nn.initializers.orthogonal', key, shapeOf('nn.initializers.orthogonal', shape), options),
    ),
)
/**
 * Windows [...field, in, out] that are orthogonal at their middle and 0 elsewhere. Xiao et al. 2018.
 *
 * @example nn.initializers.deltaOrthogonal()(random.key(0), [3, 2, 2]).slice(0) // [[0, 0], [0, 0]]
 * @throws ShapeError where the field hasn't one to three axes, or more goes in than out
 */
export const deltaOrthogonal = /* @__PURE__ */ takesOptions(
  'nn.initializers.deltaOrthogonal',
  1,
  orthogonalOptions,
  (options: OrthogonalOptions = {}): Initializer =>
    initializer('deltaOrthogonal', (key, given) => {
      const what = 'nn.initializers.deltaOrthogonal'
      const shape = shapeOf(what, given)
      const field = shape.slice(0, -2)
      const [into, out] = shape.slice(-2) as [number, number]
      if (field.length < 1 || field.length > 3 || into > out)
        throw new ShapeError(`${what}: [${shape.join(',')}] isn't a field of one to three axes, then in, and out which is no less`)
      return np.pad(np.reshape(rotated(what, key, [into, out], options), [...field.map(() => 1), into, out]), [
        ...field.map((k): [number, number] => [Math.floor((k - 1) / 2), k - 1 - Math.floor((k - 1) / 2)]),
        [0, 0],
        [0, 0],
      ])
    }),
)
