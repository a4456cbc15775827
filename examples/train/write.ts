/** The model writes: from a newline on, character by character, each drawn from what the model expects next. */
import type { Job } from './loop.ts'
import { makeNext, type Params } from './model.ts'
import { breathe } from './signals.ts'

export const CHARACTERS = 500
/** Below 1, likely characters come more often than the model says. */
const TEMPERATURE = 0.8

/** Text of the model's, handed out as it comes; a signal ends it early. */
export async function* writeText(params: Params, { config, corpus: { vocab }, keys, stop }: Job): AsyncGenerator<string> {
  const next = makeNext(config, TEMPERATURE)
  const { context } = config
  const written: number[] = [Math.max(0, vocab.indexOf('\n'))]
  const window = new Int32Array(context)
  for (let i = 0; i < CHARACTERS && stop.signal === null; i++) {
    const seen = written.slice(-context)
    window.set(seen)
    const token = await next(params, window, seen.length, keys.writing, i)
    written.push(token)
    yield vocab[token]!
    await breathe()
  }
}
