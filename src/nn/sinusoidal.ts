/** Positions that aren't learned: sines and cosines of many lengths (Vaswani et al. 2017). */
import type { NdArray } from '../core/array.ts'
import { range } from '../core/constructors.ts'
import { ShapeError } from '../core/errors.ts'
import { aboveZero, oneOf, type Schema } from '../core/options.ts'
import { composedOptions, wholeOf } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'

export interface SinusoidalOptions {
  /**
   * 'interleaved', the default: sin and cos of each frequency base^(-2i/width) side by side. 'halves': all sines, then all cosines, of
   * base^(-i/(width/2 - 1)), as tensor2tensor, fairseq and Whisper have it.
   */
  readonly layout?: 'interleaved' | 'halves'
  /** Default 10000. */
  readonly base?: number
}
const sinusoidalOptions: Schema<SinusoidalOptions> = { layout: oneOf('interleaved', 'halves'), base: aboveZero }
/**
 * What is added to embeddings of positions 0, 1, … so that attention can tell them apart: float32 [length,width].
 *
 * @example nn.sinusoidalPositions(2, 2) // [[0, 1], [0.84147096, 0.5403023]]
 * @throws ShapeError when the width is odd, or 2 in halves, whose frequencies go from 1 to 1/base
 */
export const sinusoidalPositions = /* @__PURE__ */ composedOptions(
  'nn.sinusoidalPositions',
  3,
  sinusoidalOptions,
  (length: number, width: number, { layout = 'interleaved', base = 10_000 }: SinusoidalOptions = {}): NdArray => {
    const what = 'nn.sinusoidalPositions'
    const [T, D] = [wholeOf(what, length, 0), wholeOf(what, width, 2)]
    const halves = layout === 'halves'
    if (D % 2 !== 0 || (halves && D === 2)) throw new ShapeError(`${what}: the width ${D} isn't an even number${halves ? ' above 2' : ''}`)
    const turns = range(D / 2).map((i) => base ** (halves ? -i / (D / 2 - 1) : (-2 * i) / D)) // a position
    const row = (t: number): readonly number[] =>
      halves
        ? [...turns.map((f) => Math.sin(t * f)), ...turns.map((f) => Math.cos(t * f))]
        : turns.flatMap((f) => [Math.sin(t * f), Math.cos(t * f)])
    return np.array(Float32Array.from(range(T).flatMap(row)), { shape: [T, D] })
  },
)
