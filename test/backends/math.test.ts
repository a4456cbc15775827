/** wasm's float64 functions, which the host computes, beside the reference's. Those of float32 are in test/wasm/functions.test.ts. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { functions, points } from './functions.ts'
import { elementwise } from './harness.ts'

const devices: readonly Backend[] = [reference(), wasm()] as Backend[]

describe('float64 functions on wasm', () => {
  // Tiny ones too, where a formula may lose all its digits.
  const xs = [...points.filter((_, i) => i % 7 === 0), 1e-9, -1e-9, 1e-300, -1e-300, 1 - 2 ** -53, 0.9999, 0.999999999]
  test.each(functions)('%s within 1e-13', (op) => {
    const [expected, actual] = devices.map((device) => elementwise(device, op, 'float64', 'float64', xs))
    const off = xs.filter(
      (_, i) => !(Object.is(expected![i], actual![i]) || Math.abs(actual![i]! - expected![i]!) <= 1e-13 * Math.abs(expected![i]!)),
    )
    expect(off).toEqual([])
  })
})
