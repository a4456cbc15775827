/** The losses that other devices are held to: wasm's, in Node. */
import { expect } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { losses } from './losses.ts'

export const expectedLosses = async (): Promise<readonly number[]> => {
  runtime.device.choose(wasm() as Backend)
  const expected = await losses()
  expect(expected[49]!).toBeLessThan(expected[0]! - 0.5) // it learns
  return expected
}

export const follow = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual.length).toBe(50)
  const off = actual.map((x, i) => Math.abs(x - expected[i]!))
  expect(Math.max(...off), `step ${off.indexOf(Math.max(...off)) + 1}`).toBeLessThanOrEqual(1e-3)
}
