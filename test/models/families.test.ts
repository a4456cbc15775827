/** Every family against Transformers: what it gives, loss, every gradient, a training curve, greedy tokens with and without cache. */
import { describe, test } from 'vitest'
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
