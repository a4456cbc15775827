/** The losses that other devices are held to: wasm's, in Node. */
import { expect } from 'vitest'
import { wasm } from '../../backends/wasm/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { nightly } from '../effort.ts'
import { losses } from './losses.ts'

/** What takes a minute on a software adapter at night takes ten seconds by day; the kernels are the same. */
export const STEPS = nightly ? 50 : 10

export const expectedLosses = async (): Promise<readonly number[]> => {
  runtime.device.choose(wasm() as Backend)
  const expected = await losses(STEPS)
  expect(expected.at(-1)!).toBeLessThan(expected[0]! - STEPS / 100) // it learns
  return expected
}

export const follow = (actual: readonly number[], expected: readonly number[]): void => {
  expect(actual.length).toBe(STEPS)
  const off = actual.map((x, i) => Math.abs(x - expected[i]!))
  expect(Math.max(...off), `step ${off.indexOf(Math.max(...off)) + 1}`).toBeLessThanOrEqual(1e-3)
}
