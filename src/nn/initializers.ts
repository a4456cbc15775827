/** Initializers: options -> (key, shape) -> float32 array, as in `jax.nn.initializers`. Weights are [...field, in, out]. */
import type { NdArray } from '../core/array.ts'
import { composed, shapeOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import { number, oneOf, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

export type Initializer = (key: NdArray, shape: readonly number[]) => NdArray
const initializer = (what: string, f: Initializer): Initializer => composed(`nn.initializers.${what}`, 2, f)
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
/** The standard deviation of a standard normal kept within ±2. */
const TRUNCATED = 0.8796256610342398
/** N(0, stddev²) kept within two standard deviations. @example nn.initializers.truncatedNormal()(random.key(0), [4, 4]).shape // [4, 4] */
export const truncatedNormal = /* @__PURE__ */ takesOptions(
  'nn.initializers.truncatedNormal',
  1,
  spreadOptions,
  (options: SpreadOptions = {}): Initializer => {
    const { stddev = 0.01 } = options
    return initializer('truncatedNormal', (key, shape) => np.mul(random.truncatedNormal(key, -2, 2, shape), stddev))
  },
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
  (options: UniformOptions = {}): Initializer => {
    const { minval = 0 } = options
    const { maxval = 0.01 } = options
    return initializer('uniform', (key, shape) => random.uniform(key, shape, { minval, maxval }))
  },
)
/** 0 everywhere; the key isn't used. @example nn.initializers.zeros()(random.key(0), [2]) // [0, 0] */
export const zeros = /* @__PURE__ */ takes('nn.initializers.zeros', 0, (): Initializer =>
  initializer('zeros', (_key, shape) => np.zeros(shape)),
)
/** 1 everywhere; the key isn't used. @example nn.initializers.ones()(random.key(0), [2]) // [1, 1] */
export const ones = /* @__PURE__ */ takes('nn.initializers.ones', 0, (): Initializer =>
  initializer('ones', (_key, shape) => np.ones(shape)),
)

export interface ScalingOptions {
  /** Default: uniform. Normal draws aren't truncated, as PyTorch's; 'truncatedNormal' is JAX's, of the same variance. */
  readonly distribution?: 'uniform' | 'normal' | 'truncatedNormal'
}
const scalingOptions: Schema<ScalingOptions> = { distribution: oneOf('uniform', 'normal', 'truncatedNormal') }
/** Mean 0 and the variance gain / fan. */
const scaling = (what: string, gain: number, fanOf: (into: number, out: number) => number, options: ScalingOptions): Initializer => {
  const { distribution = 'uniform' } = options
  const draw = {
    uniform: (deviation: number) => uniform({ minval: -Math.sqrt(3) * deviation, maxval: Math.sqrt(3) * deviation }),
    normal: (stddev: number) => normal({ stddev }),
    truncatedNormal: (deviation: number) => truncatedNormal({ stddev: deviation / TRUNCATED }),
  }[distribution]
  return initializer(what, (key, shape) => {
    const of = shapeOf(`nn.initializers.${what}`, shape)
    const field = of.slice(0, -2).reduce((n, m) => n * m, 1)
    const out = of.at(-1) ?? 1
    return draw(Math.sqrt(gain / fanOf((of.at(-2) ?? out) * field, out * field)))(key, of)
  })
}
/** Variance 2 / (in + out), also called Xavier's: for tanh (Glorot and Bengio 2010). @example nn.initializers.glorot()(random.key(0), [4, 8]).shape // [4, 8] */
export const glorot = /* @__PURE__ */ takesOptions(
  'nn.initializers.glorot',
  1,
  scalingOptions,
  (options: ScalingOptions = {}): Initializer => scaling('glorot', 1, (into, out) => (into + out) / 2, options),
)
/** Variance 2 / in: for relu (He et al. 2015). @example nn.initializers.he({ distribution: 'normal' })(random.key(0), [4, 8]).shape // [4, 8] */
export const he = /* @__PURE__ */ takesOptions('nn.initializers.he', 1, scalingOptions, (options: ScalingOptions = {}): Initializer =>
  scaling('he', 2, (into) => into, options),
)
/** Variance 1 / in: for selu, or linear layers (LeCun et al. 1998). @example nn.initializers.lecun()(random.key(0), [4, 8]).shape // [4, 8] */
export const lecun = /* @__PURE__ */ takesOptions('nn.initializers.lecun', 1, scalingOptions, (options: ScalingOptions = {}): Initializer =>
  scaling('lecun', 1, (into) => into, options),
)
