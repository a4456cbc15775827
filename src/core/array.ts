/// <reference lib="esnext.disposable" preserve="true" />
/** The array a user holds: abstract, immutable. It is either a concrete one on a device or a tracer of a running trace. */
import type { Aval } from './aval.ts'
import { showAval, sizeOf } from './aval.ts'
import type { Backend, Storage } from './backend.ts'
import type { DType, HostArray } from './dtype.ts'
import { DeletedArrayError, TracerError } from './errors.ts'
import { fromBits } from './half.ts'
import type { Getters, Methods } from './methods.ts'

/** Nested lists of numbers or booleans, as deep as the array has axes. */
export type Nested = number | boolean | readonly Nested[]

// The methods are declared in methods.ts and installed where the package is wired together.
export interface NdArray extends Methods, Getters {}

/** By this name Node, Deno and Bun find how a console shows an object. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')

export abstract class NdArray {
  abstract readonly aval: Aval
  get shape(): readonly number[] {
    return this.aval.shape
  }
  get dtype(): DType {
    return this.aval.dtype
  }
  get ndim(): number {
    return this.aval.shape.length
  }
  get size(): number {
    return sizeOf(this.aval.shape)
  }
  /** The concrete array behind this one; a tracer that knows no value throws, naming `what`. */
  abstract concrete(what: string): ConcreteArray
  /** Disposed of, donated, or a tracer whose trace has ended: it can't be read any more. */
  abstract readonly deleted: boolean;

  [Symbol.toPrimitive](): never {
    throw new TracerError(
      `${showAval(this.aval)} was coerced to a JavaScript value: use x.item() for a scalar's value, np.* or methods for arithmetic`,
    )
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The contents as nested lists, for JSON.stringify. */
  toJSON(): Nested {
    return this.toArray()
  }
  /** What console.log shows. */
  abstract [INSPECT](): string
}

/** What running scopes have seen made, the innermost last. */
export const scopes: Set<ConcreteArray>[] = []

export class ConcreteArray extends NdArray {
  readonly aval: Aval
  readonly backend: Backend
  private held: Storage | null
  private why = ''
  /** A compiled function's constant: it outlives the scope in which it was made. */
  retained = false
  /** The number that a weak scalar was made of, which its memory may hold less exactly. */
  number: number | null = null

  constructor(aval: Aval, storage: Storage, backend: Backend) {
    super()
    this.aval = aval
    this.backend = backend
    this.held = storage
    if (scopes.length > 0) scopes.at(-1)!.add(this)
  }

  override get deleted(): boolean {
    return this.held === null
  }

  /** The device memory, for a running program. */
  storage(what = 'a program'): Storage {
    if (this.held === null) throw new DeletedArrayError(`${what}: ${showAval(this.aval)} was read after it was ${this.why}`)
    return this.held
  }

  /** Marks an argument that was donated to `what`: its memory now belongs to a result. */
  donate(what: string): void {
    this.held = null
    this.why = `donated to ${what}: use what it returned, or drop donateArgnums`
  }

  override concrete(what: string): ConcreteArray {
    this.storage(what)
    return this
  }

  /** `f32[3] [1, 2, 3]`; of many elements only the aval. */
  override [INSPECT](): string {
    const about = showAval(this.aval)
    return this.deleted ? `${about} ${this.why}` : this.size > SHOWN ? about : `${about} ${list(this.toArray(), this.aval.dtype)}`
  }

  dataSync(): HostArray {
    return fromBits(this.backend.readSync(this.storage(), this.dtype, this.size), this.dtype)
  }

  async read(): Promise<HostArray> {
    return fromBits(await this.backend.read(this.storage(), this.dtype, this.size), this.dtype)
  }

  /** Frees the memory now; reading the array afterwards is an error. */
  override dispose(): void {
    this.held?.free()
    this.held = null
    this.why = 'disposed of'
  }
}

/** More elements than this aren't shown on a console. */
const SHOWN = 1000
/** Digits that say something. */
const digits: Partial<Record<DType, number>> = { bfloat16: 4, float16: 5, float32: 8 }
const list = (x: Nested, dtype: DType): string =>
  typeof x === 'object'
    ? `[${x.map((y) => list(y, dtype)).join(', ')}]`
    : String(typeof x === 'number' ? Number(x.toPrecision(digits[dtype] ?? 17)) : x)

/** Keeps arrays that something longer-lived than a scope refers to. */
export const retain = (xs: readonly NdArray[]): void => {
  for (const x of xs) if (x instanceof ConcreteArray) x.retained = true
}

/** A flat row-major buffer as nested lists. */
export const nest = (data: ArrayLike<number>, shape: readonly number[], dtype: DType): Nested => {
  let next = 0
  const build = (axis: number): Nested => {
    if (axis === shape.length) {
      const value = data[next++]!
      return dtype === 'bool' ? value !== 0 : value
    }
    return Array.from({ length: shape[axis]! }, () => build(axis + 1))
  }
  return build(0)
}
