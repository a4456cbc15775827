/** Schedules: the learning rate at a step, counted from 0, as plain functions of numbers. Pass the value to `update` as `lr`. */
export type Schedule = (step: number) => number

const clamp01 = (t: number): number => Math.min(1, Math.max(0, t))

/** The same value at every step. As `optax.constant_schedule`: `constant(0.1)(7) // 0.1`. */
export const constant =
  (value: number): Schedule =>
  () =>
    value

export interface LinearOptions {
  readonly from: number
  readonly to: number
  readonly steps: number
  /** The steps before the line starts; default 0. */
  readonly begin?: number
}
/** A line, constant before and after. As `optax.linear_schedule`: `linear({ from: 1, to: 0, steps: 10 })(5) // 0.5`. */
export const linear =
  ({ from, to, steps, begin = 0 }: LinearOptions): Schedule =>
  (step) =>
    from + (to - from) * clamp01((step - begin) / steps)

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
 * @example warmupCosineDecay({ peak: 1e-3, warmup: 10, steps: 100 })(10) // 0.001
 */
export const warmupCosineDecay =
  ({ init = 0, peak, warmup, steps, end = 0 }: WarmupCosineDecayOptions): Schedule =>
  (step) =>
    step < warmup
      ? init + (peak - init) * (step / warmup)
      : end + (peak - end) * 0.5 * (1 + Math.cos(Math.PI * clamp01((step - warmup) / (steps - warmup))))
