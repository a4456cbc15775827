/** 16-bit floats, on the host and through every primitive. */
import { describe, expect, test } from 'vitest'
import { narrow, widen } from '../../backends/reference/functions.ts'
import { fromBits, rounded, toBits } from '../../src/core/half.ts'
import { np } from '../../src/index.ts'
import { agree, law, run, same } from './harness.ts'
import { asHalf, halvable, halved, HALVES } from './halves.ts'

const patterns = Uint16Array.from({ length: 0x10000 }, (_, i) => i)

describe.each(HALVES)('%s', (half) => {
  const numbers = Float32Array.from(patterns, widen(half))
  /** All that there are, what lies halfway between neighbours, a little beside that, and what is out of range. */
  const hard = [
    ...numbers,
    ...[1e-45, -1e-45, 2 ** -25, 2 ** -25 * 1.0001, 65519.99, 65520, -65520, 3.3895e38, 3.3961775e38, 3.4e38, Infinity, -Infinity, NaN],
    ...Array.from(numbers.subarray(0, 0xffff), (x, i) => (x + numbers[i + 1]!) / 2).flatMap((x) => [x, x * (1 + 1e-7), x * (1 - 1e-7)]),
  ]

  test('the host, the reference and wasm agree on every pattern, and on what rounds to each', () => {
    expect(fromBits(patterns, half)).toEqual(numbers)
    expect(Array.from(toBits(hard, half))).toEqual(hard.map(narrow(half)))
    expect(np.array(numbers, { dtype: half }).toTyped()).toEqual(numbers)
    const single = Float32Array.from(hard)
    expect(np.astype(np.array(single), half).toTyped()).toEqual(single.map((x) => rounded(x, half)))
    expect(np.astype(np.array(numbers, { dtype: half }), 'float32').toTyped()).toEqual(numbers)
  })

  describe.each(['reference', 'wasm'] as const)('a primitive is float32’s, rounded, on %s', (device) => {
    for (const name of halvable)
      law(
        name,
        30,
        (c) => halved(name, half, c),
        ({ jaxpr, inputs, wide }) => {
          const want = asHalf(half, run(device, wide.jaxpr, wide.inputs))
          agree(same(run(device, jaxpr, inputs), want), jaxpr, inputs)
        },
      )
  })
})
