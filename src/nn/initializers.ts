/** Initializers: options -> (key, shape) -> float32 array, as in `jax.nn.initializers`. Weights are [...field, in, out]. */
import type { NdArray } from '../core/array.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'

export type Initializer = (key: NdArray, shape: readonly number[]) => NdArray

/** N(0, stddev²). `normal({ stddev: 0.02 })(random.key(0), [4, 4])` */
export const normal =
  ({ stddev = 0.01 }: { readonly stddev?: number } = {}): Initializer =>
  (key, shape) =>
    np.mul(random.normal(key, shape), stddev)
/** Uniform in [minval, maxval). `uniform({ maxval: 0.01 })(random.key(0), [4])` */
export const uniform =
  ({ minval = 0, maxval = 0.01 }: { readonly minval?: number; readonly maxval?: number } = {}): Initializer =>
  (key, shape) =>
    random.uniform(key, shape, { minval, maxval })
/** `zeros()(key, [2]) // [0, 0]`; the key isn't used. */
export const zeros = (): Initializer => (_key, shape) => np.zeros(shape)
/** `ones()(key, [2]) // [1, 1]`; the key isn't used. */
export const ones = (): Initializer => (_key, shape) => np.ones(shape)

export interface ScalingOptions {
  /** Default: uniform. */
  readonly distribution?: 'uniform' | 'normal'
}
/** Mean 0 and the variance gain / fan. Normal draws aren't truncated: PyTorch's choice, not JAX's. */
const scaling =
  (gain: number, fanOf: (into: number, out: number) => number, { distribution = 'uniform' }: ScalingOptions): Initializer =>
  (key, shape) => {
    const field = shape.slice(0, -2).reduce((n, m) => n * m, 1)
    const out = shape.at(-1) ?? 1
    const variance = gain / fanOf((shape.at(-2) ?? out) * field, out * field)
    const bound = Math.sqrt(3 * variance)
    return distribution === 'normal'
      ? normal({ stddev: Math.sqrt(variance) })(key, shape)
      : uniform({ minval: -bound, maxval: bound })(key, shape)
  }
/** Variance 2 / (in + out), also called Xavier's: for tanh (Glorot and Bengio 2010). `glorot()(random.key(0), [4, 8])` */
export const glorot = (options: ScalingOptions = {}): Initializer => scaling(1, (into, out) => (into + out) / 2, options)
/** Variance 2 / in: for relu (He et al. 2015). `he({ distribution: 'normal' })(random.key(0), [4, 8])` */
export const he = (options: ScalingOptions = {}): Initializer => scaling(2, (into) => into, options)
