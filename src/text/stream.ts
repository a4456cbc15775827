/** Ids that come one by one, as text: never half a character. */
import type { Tokenizer } from './tokenizer.ts'

/** So many ids before tell how the next is written. */
const CONTEXT = 8

/** What a token adds to the text so far; what may still become another character, or part of a text that stops, is held back. */
export class TextStream {
  readonly #decode: (ids: readonly number[]) => string
  readonly #stops: readonly string[]
  #ids: number[] = []
  /** Ids before `#shown` are in the text; those from `#from` are decoded beside the new ones, since spaces depend on neighbours. */
  #from = 0
  #shown = 0
  #held = ''
  /** Whether a text that stops was found. */
  stopped = false
  /** `before`: ids that the text goes on from, since what a token adds may depend on its neighbour. */
  constructor({ decode }: Pick<Tokenizer, 'decode'>, stops: readonly string[] = [], before: readonly number[] = []) {
    this.#decode = decode
    this.#ids = before.slice(-CONTEXT)
    this.#shown = this.#ids.length
    this.#stops = stops.filter((stop) => stop !== '')
  }
  push(id: number): string {
    this.#ids.push(id)
    const [before, now] = [this.#decode(this.#ids.slice(this.#from, this.#shown)), this.#decode(this.#ids.slice(this.#from))]
    if (now.length <= before.length || now.endsWith('\uFFFD')) return ''
    this.#from = this.#shown
    this.#shown = this.#ids.length
    return this.#release(now.slice(before.length), false)
  }
  /** What is left at the end. */
  end(): string {
    const [before, now] = [this.#decode(this.#ids.slice(this.#from, this.#shown)), this.#decode(this.#ids.slice(this.#from))]
    return this.#release(now.slice(before.length), true)
  }
  #release(more: string, last: boolean): string {
    if (this.stopped) return ''
    const text = this.#held + more
    const found = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
    this.stopped = found.length > 0
    const until = this.stopped ? Math.min(...found) : last ? text.length : text.length - this.#begun(text)
    this.#held = this.stopped ? '' : text.slice(until)
    return text.slice(0, until)
  }
  /** How many characters at the end begin a text that stops. */
  #begun(text: string): number {
    const most = Math.max(0, ...this.#stops.map((stop) => stop.length - 1))
    for (let n = Math.min(most, text.length); n > 0; n--) if (this.#stops.some((stop) => stop.startsWith(text.slice(-n)))) return n
    return 0
  }
}
