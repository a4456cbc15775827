/** Values by text, bounded by number and by bytes: beyond either what was used longest ago goes. */
interface Entry<V> {
  readonly value: V
  readonly bytes: number
}
export interface Bounds {
  readonly count: number
  readonly bytes: number
}

export class Cache<V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #most: Bounds
  #bytes = 0
  constructor(most: Bounds) {
    this.#most = most
  }
  get size(): number {
    return this.#entries.size
  }
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key) // to the end
    this.#entries.set(key, entry)
    return entry.value
  }

  /** The newest stays, however large it is. */
  set(key: string, value: V, bytes: number): void {
    this.drop(key)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#most.count && this.#bytes + bytes <= this.#most.bytes) break
      this.drop(oldest)
    }
    this.#entries.set(key, { value, bytes })
    this.#bytes += bytes
  }

  drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
