/** Functions of the user's, as ops and kernels hold them. */

/** A function as a param of an op: one for each function, printed as a number. What holds the op holds the function, and nothing else does. */
export class Ref {
  static #count = 0
  static readonly #made = new WeakMap<object, Ref>()
  readonly id = Ref.#count++
  readonly to: object
  private constructor(to: object) {
    this.to = to
  }
  static of(f: object): Ref {
    const ref = Ref.#made.get(f) ?? new Ref(f)
    Ref.#made.set(f, ref)
    return ref
  }
  toJSON(): number {
    return this.id
  }
}
/** What a jaxpr has that was read from a text: the number alone. */
export type RefOrId = Ref | number
