/**
 * JSON token by token, for a grammar to pull: nothing is built that isn't asked for, nothing nests deeper than readers of the format allow,
 * and a key that comes twice is told. `JSON.parse` does none of that.
 */

/** Of serde_json, with which the format's own library reads. */
const MAX_DEPTH = 128
/** A JSON number, or a word; the counts keep the regular expression's own stack small. */
const SCALAR = /true|false|null|-?(?:0|[1-9]\d{0,400})(?:\.\d{1,400})?(?:[eE][-+]?\d{1,9})?/y
const COUNT = /(?:0|[1-9]\d{0,15})(?![\d.eE])/y
const LONE_SURROGATE = /\p{Surrogate}/u

/** Whether a text can be written in UTF-8. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text)
/** A text within a message: quoted, and cut where it is long. */
export const quoted = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

export class Scanner {
  readonly #text: string
  readonly #refuse: (why: string) => Error
  #at = 0
  constructor(text: string, refuse: (why: string) => Error) {
    this.#text = text
    this.#refuse = refuse
  }

  /** The next character that isn't white space; '' at the end. */
  peek(): string {
    while (' \n\r\t'.includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++
    return this.#text.charAt(this.#at)
  }

  take(c: string): boolean {
    const found = this.peek() === c
    if (found) this.#at += c.length
    return found
  }

  expect(c: string): void {
    if (!this.take(c)) throw this.malformed()
  }

  /** Refuses a value that doesn't begin with `c`. */
  begins(c: string, wrong: string): void {
    const found = this.peek()
    if (found === '') throw this.malformed()
    if (found !== c) throw this.#refuse(wrong)
  }

  malformed(): Error {
    const found = this.peek()
    return this.#refuse(`its header isn't JSON at character ${this.#at}: ${found === '' ? 'it ends there' : `${quoted(found)} is there`}`)
  }

  string(): string {
    if (this.peek() !== '"') throw this.malformed()
    const begin = this.#at
    for (let end = this.#text.indexOf('"', begin + 1); end >= 0; end = this.#text.indexOf('"', end + 1)) {
      let escapes = 0
      while (this.#text[end - 1 - escapes] === '\\') escapes++
      if (escapes % 2 === 1) continue
      const value = parsed(this.#text.slice(begin, end + 1))
      if (value === null) break
      if (!isWellFormed(value)) throw this.#refuse(`${quoted(value)} in its header has half a surrogate pair, which is no Unicode text`)
      this.#at = end + 1
      return value
    }
    throw this.malformed()
  }

  /** A whole number from 0 to 2^53 - 1, or null where something else stands. */
  count(): number | null {
    this.peek()
    const value = Number(this.#match(COUNT) ?? NaN)
    return Number.isSafeInteger(value) ? value : null
  }

  /** null, where it stands. */
  isNull(): boolean {
    if (this.peek() !== 'n') return false
    this.skip()
    return true
  }

  /** Each member of an object, its value to be read by `member`. */
  members(member: (key: string) => void): void {
    this.expect('{')
    if (this.take('}')) return
    do {
      const key = this.string()
      this.expect(':')
      member(key)
    } while (this.take(','))
    this.expect('}')
  }

  /** The same, each key once. */
  distinct(what: string, member: (key: string) => void): void {
    const seen = new Set<string>()
    this.members((key) => {
      if (seen.has(key)) throw this.#refuse(`${what} has ${quoted(key)} twice`)
      seen.add(key)
      member(key)
    })
  }

  /** Each item of a list, to be read by `item`. */
  items(item: () => void): void {
    this.expect('[')
    if (this.take(']')) return
    do item()
    while (this.take(','))
    this.expect(']')
  }

  /** Passes over a value. */
  skip(depth = 1): void {
    if (depth > MAX_DEPTH) throw this.#refuse(`its header nests deeper than ${MAX_DEPTH}`)
    const next = this.peek()
    if (next === '{') this.members(() => this.skip(depth + 1))
    else if (next === '[') this.items(() => this.skip(depth + 1))
    else if (next === '"') this.string()
    else if (this.#match(SCALAR) === null) throw this.malformed()
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#text)?.[0] ?? null
    this.#at += text?.length ?? 0
    return text
  }
}

const parsed = (text: string): string | null => {
  try {
    return JSON.parse(text) as string
  } catch {
    return null
  }
}
