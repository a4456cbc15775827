/** Schedules: the learning rate at a step, counted from 0. Of a number it is a number, of an array an array: an optimizer takes one as `lr`. */
import { NdArray } from '../core/array.ts'
import { DTypeError } from '../core/errors.ts'
import { numberOf, optionsOf, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'

export interface Schedule {
  (step: number): number
  (step: NdArray): NdArray
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
const schedule = (what: string, parameters: readonly number[], formula: <T>(o: Arithmetic<T>, step: T) => T): Schedule => {
  for (const x of parameters) numberOf(what, x)
  const at = (step: number | NdArray): number | NdArray =>
    typeof step === 'number'
      ? formula(onNumbers, step)
      : step instanceof NdArray
        ? formula(onArrays, np.astype(step, 'float32'))
        : refuse(DTypeError, what, [step], 'a step is a number or an array')
  return at as Schedule
}

/** 0 until step `begin`, then to 1 in so many steps, and 1 from there. */
const ramp = <T>(o: Arithmetic<T>, step: T, begin: number, steps: number): T =>
  steps > 0 ? o.clamp01(o.div(o.affine(-begin, 1, step), steps)) : o.clamp01(o.affine(1 - begin, 1, o.floor(step)))
/** Half a cosine from 0 to 1. */
const ease = <T>(o: Arithmetic<T>, t: T): T => o.affine(0.5, -0.5, o.cos(o.affine(0, Math.PI, t)))

/** The same value at every step. As `optax.constant_schedule`. @example optim.constant(0.1)(7) // 0.1 */
export const constant = (value: number): Schedule => schedule('optim.constant', [value], (o, step) => o.affine(value, 0, step))

export interface LinearOptions {
  readonly from: number
  readonly to: number
  readonly steps: number
  /** The steps before the line starts; default 0. */
  readonly begin?: number
}
/** A line, constant before and after. As `optax.linear_schedule`. @example optim.linear({ from: 1, to: 0, steps: 10 })(5) // 0.5 */
export const linear = (options: LinearOptions): Schedule => {
  const { from, to, steps, begin = 0 } = optionsOf('optim.linear', options) as LinearOptions
  return schedule('optim.linear', [from, to, steps, begin], (o, step) => o.affine(from, to - from, ramp(o, step, begin, steps)))
}

export interface CosineDecayOptions {
  readonly init: number
  readonly steps: number
  /** The last value; default 0. */
  readonly end?: number
}
/**
 * Half a cosine from `init` down to `end`, which it keeps. As `optax.cosine_decay_schedule`, with alpha = end / init.
 *
 * @example optim.cosineDecay({ init: 1, steps: 10 })(5) // 0.5
 */
export const cosineDecay = (options: CosineDecayOptions): Schedule => {
  const { init, steps, end = 0 } = optionsOf('optim.cosineDecay', options) as CosineDecayOptions
  return schedule('optim.cosineDecay', [init, steps, end], (o, step) => o.affine(init, end - init, ease(o, ramp(o, step, 0, steps))))
}

export interface WarmupCosineDecayOptions {
  readonly init?: number
  readonly peak: number
  /** Steps from `init` to `peak`. */
  readonly warmup: number
  /** All steps, the warm-up among them. */
  readonly steps: number
  readonly end?: number
}
/**
 * A line up to the peak, then half a cosine down to the end. As `optax.warmup_cosine_decay_schedule` (Loshchilov and Hutter 2016).
 *
 * @example optim.warmupCosineDecay({ peak: 1e-3, warmup: 10, steps: 100 })(10) // 0.001
 */
export const warmupCosineDecay = (options: WarmupCosineDecayOptions): Schedule => {
  const { init = 0, peak, warmup, steps, end = 0 } = optionsOf('optim.warmupCosineDecay', options) as WarmupCosineDecayOptions
  return schedule('optim.warmupCosineDecay', [init, peak, warmup, steps, end], (o, step) =>
    o.add(o.affine(init, peak - init, ramp(o, step, 0, warmup)), o.affine(0, end - peak, ease(o, ramp(o, step, warmup, steps - warmup)))),
  )
}

export interface ExponentialDecayOptions {
  readonly init: number
  /** The factor after `steps` steps. */
  readonly rate: number
  readonly steps: number
  /** In stairs of `steps` steps, not smoothly; default false. */
  readonly staircase?: boolean
}
/**
 * init · rate^(step / steps). As `optax.exponential_decay`.
 *
 * @example optim.exponentialDecay({ init: 1, rate: 0.5, steps: 10 })(20) // 0.25
 */
export const exponentialDecay = (options: ExponentialDecayOptions): Schedule => {
  const { init, rate, steps, staircase = false } = optionsOf('optim.exponentialDecay', options) as ExponentialDecayOptions
  return schedule('optim.exponentialDecay', [init, rate, steps], (o, step) => {
    const t = o.div(step, steps)
    return o.affine(0, init, o.exp(o.affine(0, Math.log(rate), staircase ? o.floor(t) : t)))
  })
}
