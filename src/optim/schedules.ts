/** Schedules: the learning rate at a step, counted from 0. Of a number it is a number, of an array an array: an optimizer takes one as `lr`. */
import { NdArray } from '../core/array.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'
import { flag, needed, number, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'

/** Arrays are float64 of float64 steps, else float32. */
export interface Schedule {
  (step: number): number
  (step: NdArray): NdArray
  readonly _tag: 'Schedule'
}

/** What the formulas need, so that each is written once. */
interface Arithmetic<T> {
  readonly add: (x: T, y: T) => T
  /** a + b x. */
  readonly affine: (a: number, b: number, x: T) => T
  readonly div: (x: T, n: number) => T
  readonly clamp01: (x: T) => T
  readonly floor: (x: T) => T
  readonly cos: (x: T) => T
  readonly exp: (x: T) => T
}
const onNumbers: Arithmetic<number> = {
  add: (x, y) => x + y,
  affine: (a, b, x) => a + b * x,
  div: (x, n) => x / n,
  clamp01: (x) => Math.min(1, Math.max(0, x)),
  floor: Math.floor,
  cos: Math.cos,
  exp: Math.exp,
}
const onArrays: Arithmetic<NdArray> = {
  add: np.add,
  affine: (a, b, x) => np.add(np.mul(x, b), a),
  div: np.div,
  clamp01: (x) => np.clip(x, 0, 1),
  floor: np.floor,
  cos: np.cos,
  exp: np.exp,
}
const schedule = (what: string, parameters: Readonly<Record<string, number>>, formula: <T>(o: Arithmetic<T>, step: T) => T): Schedule => {
  for (const [key, x] of Object.entries(parameters))
    if (typeof x !== 'number' || Number.isNaN(x)) refuse(DTypeError, what, [parameters], `${key} is a number`)
  const at = (step: number | NdArray): number | NdArray =>
    typeof step === 'number'
      ? formula(onNumbers, step)
      : step instanceof NdArray
        ? formula(onArrays, np.astype(step, step.dtype === 'float64' ? 'float64' : 'float32'))
        : refuse(DTypeError, what, [step], 'a step is a number or an array')
  return Object.assign(at as { (step: number): number; (step: NdArray): NdArray }, { _tag: 'Schedule' } as const)
}

/** From 0 at step `begin` to 1 in so many steps, more than 0. */
const ramp = <T>(o: Arithmetic<T>, step: T, begin: number, steps: number): T => o.clamp01(o.div(o.affine(-begin, 1, step), steps))
/** Half a cosine from 0 to 1. */
const ease = <T>(o: Arithmetic<T>, t: T): T => o.affine(0.5, -0.5, o.cos(o.affine(0, Math.PI, t)))
/** a (1 - t) + b t: exact at both ends. */
const between = <T>(o: Arithmetic<T>, a: number, b: number, t: T): T => o.add(o.affine(a, -a, t), o.affine(0, b, t))
const still = <T>(o: Arithmetic<T>, value: number, step: T): T => o.affine(value, 0, step)

/** The same value at every step. As `optax.constant_schedule`. @example optim.constant(0.1)(7) // 0.1 */
export const constant = /* @__PURE__ */ takes('optim.constant', 1, (value: number): Schedule =>
  schedule('optim.constant', { value }, (o, step) => still(o, value, step)),
)

export interface LinearOptions {
  readonly from: number
  readonly to: number
  readonly steps: number
  /** The steps before the line starts; default 0. */
  readonly begin?: number
}
const linearOptions: Schema<LinearOptions> = { from: needed(number), to: needed(number), steps: needed(number), begin: number }
/** A line, constant before and after; of no steps, always `from`. As `optax.linear_schedule`. @example optim.linear({ from: 1, to: 0, steps: 10 })(5) // 0.5 */
export const linear = /* @__PURE__ */ takesOptions('optim.linear', 1, linearOptions, (options: LinearOptions): Schedule => {
  const { from, to, steps, begin = 0 } = options
  return schedule('optim.linear', { from, to, steps, begin }, (o, step) =>
    steps > 0 ? between(o, from, to, ramp(o, step, Math.max(begin, 0), steps)) : still(o, from, step),
  )
})

export interface CosineDecayOptions {
  readonly init: number
  readonly steps: number
  /** The last value; default 0. */
  readonly end?: number
}
const cosineDecayOptions: Schema<CosineDecayOptions> = { init: needed(number), steps: needed(number), end: number }
/**
 * Half a cosine from `init` down to `end`, which it keeps. As `optax.cosine_decay_schedule`, with alpha = end / init.
 *
 * @throws ShapeError when steps aren't more than 0
 * @example optim.cosineDecay({ init: 1, steps: 10 })(5) // 0.5
 */
export const cosineDecay = /* @__PURE__ */ takesOptions(
  'optim.cosineDecay',
  1,
  cosineDecayOptions,
  (options: CosineDecayOptions): Schedule => {
    const { init, steps, end = 0 } = options
    if (steps <= 0) refuse(ShapeError, 'optim.cosineDecay', [options], 'steps are more than 0')
    return schedule('optim.cosineDecay', { init, steps, end }, (o, step) => between(o, init, end, ease(o, ramp(o, step, 0, steps))))
  },
)

export interface WarmupCosineDecayOptions {
  readonly init?: number
  readonly peak: number
  /** Steps from `init` to `peak`. */
  readonly warmup: number
  /** All steps, the warm-up among them. */
  readonly steps: number
  readonly end?: number
}
const warmupCosineDecayOptions: Schema<WarmupCosineDecayOptions> = {
  init: number,
  peak: needed(number),
  warmup: needed(number),
  steps: needed(number),
  end: number,
}
/**
 * A line up to the peak, then half a cosine down to the end. As `optax.warmup_cosine_decay_schedule` (Loshchilov and Hutter 2016).
 *
 * @throws ShapeError when no steps are left after the warm-up
 * @example optim.warmupCosineDecay({ peak: 1e-3, warmup: 10, steps: 100 })(10) // 0.001
 */
export const warmupCosineDecay = /* @__PURE__ */ takesOptions(
  'optim.warmupCosineDecay',
  1,
  warmupCosineDecayOptions,
  (options: WarmupCosineDecayOptions): Schedule => {
    const { init = 0, peak, warmup, steps, end = 0 } = options
    if (steps <= warmup) refuse(ShapeError, 'optim.warmupCosineDecay', [options], 'steps are more than those of the warm-up')
    return schedule('optim.warmupCosineDecay', { init, peak, warmup, steps, end }, (o, step) => {
      const up = warmup > 0 ? ramp(o, step, 0, warmup) : still(o, 1, step)
      const down = ease(o, ramp(o, step, warmup, steps - warmup))
      const rest = o.add(o.affine(0, peak, o.add(up, o.affine(0, -1, down))), o.affine(0, end, down))
      return o.add(o.affine(init, -init, up), rest) // init (1 - up) + peak (up - down) + end down: exact at each
    })
  },
)

export interface ExponentialDecayOptions {
  readonly init: number
  /** The factor after `steps` steps. */
  readonly rate: number
  readonly steps: number
  /** In stairs of `steps` steps, not smoothly; default false. */
  readonly staircase?: boolean
}
const exponentialDecayOptions: Schema<ExponentialDecayOptions> = {
  init: needed(number),
  rate: needed(number),
  steps: needed(number),
  staircase: flag,
}
/**
 * init · rate^(step / steps); always `init` where steps or rate are 0. As `optax.exponential_decay`.
 *
 * @throws DTypeError when the rate is negative
 * @example optim.exponentialDecay({ init: 1, rate: 0.5, steps: 10 })(20) // 0.25
 */
export const exponentialDecay = /* @__PURE__ */ takesOptions(
  'optim.exponentialDecay',
  1,
  exponentialDecayOptions,
  (options: ExponentialDecayOptions): Schedule => {
    const { init, rate, steps, staircase = false } = options
    if (rate < 0) refuse(DTypeError, 'optim.exponentialDecay', [options], 'the rate is at least 0')
    return schedule('optim.exponentialDecay', { init, rate, steps }, (o, step) => {
      if (steps <= 0 || rate === 0 || init === 0) return still(o, init, step)
      const t = o.div(step, steps)
      return o.affine(0, init, o.exp(o.affine(0, Math.log(rate), staircase ? o.floor(t) : t)))
    })
  },
)
