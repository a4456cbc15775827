/** Positions that aren't learned: sinusoids by their formulas, and ropes of every kind as Transformers has them. */
import { describe, expect, test } from 'vitest'
import { nn, np } from '../../src/index.ts'
import { type DecoderModel, fromConfig } from '../../src/models/index.ts'
import { close, read, type Stored } from './golden.ts'

describe('sinusoids', () => {
  const at = (length: number, width: number, options: nn.SinusoidalOptions = {}): Float32Array =>
    nn.sinusoidalPositions(length, width, options).toTyped() as Float32Array
  test('side by side, as Vaswani et al.', () => {
    const table = at(50, 6)
    for (const [t, i] of [
      [0, 0],
      [3, 1],
      [49, 2],
    ] as const)
      // prettier-ignore
      for (const [at, f] of [Math.sin, Math.cos].entries()) expect(table[t * 6 + 2 * i + at]).toBeCloseTo(f(t / 10_000 ** ((2 * i) / 6)), 6)
  })
  test('in halves, as Whisper', () => {
    const table = at(50, 6, { layout: 'halves', base: 1000 })
    for (const [t, i] of [
      [0, 0],
      [3, 1],
      [49, 2],
    ] as const)
      // prettier-ignore
      for (const [at, f] of [Math.sin, Math.cos].entries()) expect(table[t * 6 + 3 * at + i]).toBeCloseTo(f(t / 1000 ** (i / 2)), 6)
  })
  test('of an odd width are refused', () => {
    expect(() => at(2, 5)).toThrow(/the width 5 isn't an even number/)
    expect(() => at(2, 2, { layout: 'halves' })).toThrow(/the width 2 isn't an even number above 2/)
  })
})

interface Roped {
  readonly config: Readonly<Record<string, unknown>> & { readonly rope_parameters: { readonly rope_type: string } }
  readonly length: number
  readonly cos: Stored
  readonly sin: Stored
}
const { ropes } = read('ropes') as { readonly ropes: readonly Roped[] }
ropes.forEach(({ config, length, cos, sin }, i) =>
  test(`${i} a rope of kind ${config.rope_parameters.rope_type}, ${length} positions`, () => {
    const { ropes: own } = (fromConfig(config) as DecoderModel).config
    const all = nn.rotary(np.arange(length), own['all']!)
    const few = np.array([0, 1, 7, length - 1], { dtype: 'int32' })
    // An angle of 100 has 4e-6 of rounding.
    for (const [name, want] of Object.entries({ cos, sin })) close(np.take(all[name as 'cos' | 'sin'], few, { axis: 0 }), want, 1e-5, name)
  }),
)
