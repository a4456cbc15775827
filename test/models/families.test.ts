/** Every family against Transformers: what it gives, loss, every gradient, a training curve, greedy tokens with and without cache. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { load, save } from '../../src/hub/node.ts'
import { type NdArray, tree } from '../../src/index.ts'
import type { Kind } from '../../src/models/index.ts'
import { quick } from '../effort.ts'
import { decoderChecks, decoders, encoderChecks, encoders, readers } from './parity.ts'

/** What it gives, where there is no time for more. */
const some = <T>(checks: readonly T[]): readonly T[] => (quick ? checks.slice(0, 1) : checks)

describe.each(decoders)('%s', (name) => {
  for (const [what, check] of some(decoderChecks(name))) test(what, check)
})
describe.each(encoders)('%s', (name) => {
  for (const [what, check] of some(encoderChecks(name))) test(what, check)
})
describe.each(readers)('%s', (name) => {
  for (const [what, check] of some(encoderChecks(name, 'reader'))) test(what, check)
})

const all: readonly (readonly [string, Kind])[] = [
  ...decoders.map((name) => [name, 'decoder'] as const),
  ...encoders.map((name) => [name, 'encoder'] as const),
  ...readers.map((name) => [name, 'reader'] as const),
]
test.each(quick ? all.slice(-1) : all)('%s: what is saved is loaded again, the same to the bit', async (name, kind) => {
  const { model, params } = await load(fileURLToPath(new URL(`../golden/models/${name}`, import.meta.url)), { kind })
  const to = mkdtempSync(join(tmpdir(), 'saved-'))
  await save(to, model, params)
  const again = await load(to, { kind })
  const arrays = (p: typeof params): unknown => (tree.leaves(p) as NdArray[]).map((x, i) => [tree.paths(p)[i], x.toArray()])
  expect(arrays(again.params)).toEqual(arrays(params))
})
