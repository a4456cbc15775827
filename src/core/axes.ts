/** The axis environment: named axes of the vmaps that are being traced, with their sizes. */
import { TracerError } from './errors.ts'

export class AxisEnvironment {
  readonly #sizes = new Map<string, number>()

  /** As text: what a jitted function traced under it may depend on. */
  toString(): string {
    return this.#sizes.size === 0 ? '' : JSON.stringify([...this.#sizes])
  }

  /** What f gives where an axis has this name; null for one without. */
  within<R>(name: string | null, size: number, f: () => R): R {
    if (name === null) return f()
    if (this.#sizes.has(name))
      throw new TracerError(`the axis name ${JSON.stringify(name)} is taken by a vmap around this one: choose another`)
    this.#sizes.set(name, size)
    try {
      return f()
    } finally {
      this.#sizes.delete(name)
    }
  }

  sizeOf(name: string, what: string): number {
    const size = this.#sizes.get(name)
    if (size === undefined)
      throw new TracerError(
        `${what}: no axis is named ${JSON.stringify(name)} here: call it inside vmap(f, { axisName: ${JSON.stringify(name)} })`,
      )
    return size
  }
}
