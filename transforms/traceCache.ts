/** What a jitted function has traced, found by what its calls are told apart by. A hash finds the bucket; equality decides. */
import { type Aval, eqAval } from '../src/core/aval.ts'
import { flattenLike, type TreeDef } from '../src/tree.ts'
import { avalOf } from './leaves.ts'

/** The structure of the traced arguments, the aval of each leaf, and the static arguments' values (objects by identity). */
export interface Signature {
  readonly def: TreeDef
  readonly avals: readonly Aval[]
  readonly statics: readonly unknown[]
}

const MAX_ENTRIES = 1024

export class TraceCache<E extends Signature> {
  readonly #buckets = new Map<number, E[]>()
  #size = 0
  #last: E | null = null

  get size(): number {
    return this.#size
  }

  /** The last call's entry, if this call is like it; its leaves are then in `leaves`. No texts are built and no keys sorted. */
  again(args: readonly unknown[], statics: readonly unknown[], leaves: unknown[]): E | null {
    const last = this.#last
    if (last === null || !flattenLike(last.def, args, leaves)) return null
    return eqAvals(last.avals, leaves) && eqStatics(last.statics, statics) ? last : null
  }

  find(args: readonly unknown[], leaves: readonly unknown[], statics: readonly unknown[]): E | null {
    for (const entry of this.#buckets.get(hash(leaves, statics)) ?? [])
      if (eqAvals(entry.avals, leaves) && eqStatics(entry.statics, statics) && flattenLike(entry.def, args, [])) return (this.#last = entry)
    return null
  }

  /** Beyond the bound the oldest bucket goes. */
  add(entry: E, leaves: readonly unknown[]): void {
    if (this.#size >= MAX_ENTRIES) {
      const [oldest, dropped] = this.#buckets.entries().next().value!
      this.#buckets.delete(oldest)
      this.#size -= dropped.length
    }
    const key = hash(leaves, entry.statics)
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) this.#buckets.set(key, [entry])
    else bucket.push(entry)
    this.#size++
    this.#last = entry
  }
}

const eqAvals = (avals: readonly Aval[], leaves: readonly unknown[]): boolean => {
  if (avals.length !== leaves.length) return false
  for (let i = 0; i < avals.length; i++) {
    const own = avalOf(leaves[i])
    if (own !== avals[i] && !eqAval(own, avals[i]!)) return false
  }
  return true
}

const eqStatics = (a: readonly unknown[], b: readonly unknown[]): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false
  return true
}

const hash = (leaves: readonly unknown[], statics: readonly unknown[]): number => {
  let h = leaves.length
  for (const leaf of leaves) for (const n of avalOf(leaf).shape) h = Math.imul(h ^ n, 0x9e3779b1) + 1
  for (const x of statics) h = Math.imul(h ^ (typeof x === 'number' ? x : typeof x === 'string' ? x.length : 0), 0x85ebca6b) + 1
  return h
}
