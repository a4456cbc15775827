/** What is made once for what it is told apart by. Equality decides; beyond the bound what was used longest ago goes. */
const MOST = 256

export class Kept<K, V> {
  readonly #entries: (readonly [key: K, value: V])[] = []
  readonly #same: (a: K, b: K) => boolean
  constructor(same: (a: K, b: K) => boolean) {
    this.#same = same
  }
  get size(): number {
    return this.#entries.length
  }
  of(key: K, make: () => V): V {
    const at = this.#entries.findLastIndex(([own]) => this.#same(own, key))
    const entry = at < 0 ? ([key, make()] as const) : this.#entries.splice(at, 1)[0]!
    if (this.#entries.length >= MOST) this.#entries.shift()
    this.#entries.push(entry)
    return entry[1]
  }
}

/** And that for a function, as long as that lives. */
export class KeptFor<K, V> {
  readonly #all = new WeakMap<object, Kept<K, V>>()
  readonly #same: (a: K, b: K) => boolean
  constructor(same: (a: K, b: K) => boolean) {
    this.#same = same
  }
  of(f: object, key: K, make: () => V): V {
    const own = this.#all.get(f) ?? new Kept<K, V>(this.#same)
    this.#all.set(f, own)
    return own.of(key, make)
  }
}
