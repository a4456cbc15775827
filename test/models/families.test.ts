/** Every family against Transformers: what it gives, loss, every gradient, a training curve, greedy tokens with and without cache. */
import { describe, test } from 'vitest'
import { decoderChecks, decoders, encoderChecks, encoders } from './parity.ts'

describe.each(decoders)('%s', (name) => {
  for (const [what, check] of decoderChecks(name)) test(what, check)
})
describe.each(encoders)('%s', (name) => {
  for (const [what, check] of encoderChecks(name)) test(what, check)
})
