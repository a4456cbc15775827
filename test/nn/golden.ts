/** Reading golden files, and closeness. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { type DType, type NdArray, np } from '../../src/index.ts'

export interface Stored {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
export type StoredTree = Readonly<Record<string, Stored>>

export const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), 'utf8'))
export const load = (x: Stored): NdArray =>
  x.dtype === 'bool'
    ? np.notEqual(np.array(Float32Array.from(x.data, Number), { shape: x.shape }), 0)
    : np.array(Float64Array.from(x.data, Number), { shape: x.shape, dtype: x.dtype })
export const loadTree = (t: StoredTree): Readonly<Record<string, NdArray>> =>
  Object.fromEntries(Object.entries(t).map(([k, v]) => [k, load(v)]))

/** |x - y| <= tolerance (1 + |y|), and equal infinities. */
export const close = (x: NdArray, y: Stored, tolerance: number, what: string): void => {
  expect(x.shape, what).toEqual(y.shape)
  const got = x.toTyped()
  y.data.forEach((v, i) => {
    const [a, b] = [got[i]!, Number(v)]
    const near = Object.is(a, b) || Math.abs(a - b) <= tolerance * (1 + Math.abs(b))
    if (!near) expect.fail(`${what}[${i}]: ${a} where ${b} was expected`)
  })
}
