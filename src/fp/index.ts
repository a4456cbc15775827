/**
 * `cotangent/fp`: for users of fp-ts, refusals as values, the instances that the library has, and a traversal of trees. Files are in `cotangent/fp/node`.
 *
 * @example
 * import { decode } from 'cotangent/fp'
 * (await decode(new Uint8Array(3), 'three bytes')())._tag // 'Left'
 */
import '../runtime.ts'
import * as E from '#fp-ts/Either.js'
import type { Eq } from '#fp-ts/Eq.js'
import type { Monoid } from '#fp-ts/Monoid.js'
import * as O from '#fp-ts/Option.js'
import type { Semigroup } from '#fp-ts/Semigroup.js'
import * as TE from '#fp-ts/TaskEither.js'
import type { NdArray } from '../core/array.ts'
import { type Aval, eqAval as sameAval } from '../core/aval.ts'
import { ArgumentError, CotangentError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import { init as initPromise } from '../init.ts'
import { decodeSafetensors, encodeSafetensors, type Metadata, type ReadOptions, type Safetensors, type Tensors } from '../io/index.ts'
import { add } from '../numpy/index.ts'
import { chain, type Optimizer } from '../optim/index.ts'
import { difference, flatten, type TreeDef, unflatten } from '../tree.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { readOptions } from '../io/safetensors.ts'

/** A promise of the library's as a TaskEither. What isn't the library's refusal is a bug, and stays a rejection. */
export const refusing = <A>(promise: () => Promise<A>): TE.TaskEither<CotangentError, A> =>
  TE.tryCatch(
    async () => promise(),
    (reason) => {
      if (reason instanceof CotangentError) return reason
      throw reason
    },
  )

/** `init` with the reason why a device can't be had on the left: `await init({ device: 'wasm' })() // { _tag: 'Right', right: 'wasm' }`. */
export const init = /* @__PURE__ */ takes(
  'fp.init',
  1,
  (options: Parameters<typeof initPromise>[0]): TE.TaskEither<CotangentError, string> => refusing(() => initPromise(options)),
)
/** The arrays and texts in a safetensors file's bytes; `name` is what an error calls it. */
export const decode = /* @__PURE__ */ takesOptions(
  'fp.decode',
  3,
  readOptions,
  (bytes: ArrayBufferLike | ArrayBufferView, name: string, options: ReadOptions = {}): TE.TaskEither<CotangentError, Safetensors> =>
    refusing(async () => decodeSafetensors(bytes, name, options)),
)
/** Arrays and texts as a safetensors file's bytes. */
export const encode = /* @__PURE__ */ takes(
  'fp.encode',
  2,
  (tensors: Tensors, metadata: Metadata = {}): TE.TaskEither<CotangentError, Uint8Array> =>
    refusing(async () => encodeSafetensors(tensors, metadata)),
)

/** Gradient transformations one after the other; the empty one passes gradients on. */
export const monoidOptimizer: Monoid<Optimizer> = { concat: (first, second) => chain(first, second), empty: chain() }
/** Cotangents of one value add up. */
export const semigroupSum: Semigroup<NdArray> = { concat: (x, y) => add(x, y) }
/** Cotangents that may be absent: none is zero, and costs nothing. */
export const monoidTangent: Monoid<O.Option<NdArray>> = O.getMonoid(semigroupSum)

/** Shape, dtype and weakness. */
export const eqAval: Eq<Aval> = { equals: sameAval }
export const eqTreeDef: Eq<TreeDef> = { equals: (a, b) => difference(a, b) === null }

const functionOf = (what: string, f: unknown): void => {
  if (typeof f !== 'function') throw new ArgumentError(`fp.${what}: a function is needed, and got ${show(f)}`)
}

/** Every leaf through a function that may refuse: the tree of results, or the first refusal. */
export const traverseEither = /* @__PURE__ */ takes(
  'fp.traverseEither',
  1,
  <E_>(f: (leaf: NdArray) => E.Either<E_, unknown>): (<T>(tree: T) => E.Either<E_, T>) => {
    functionOf('traverseEither', f)
    return <T>(tree: T): E.Either<E_, T> => {
      const [leaves, def] = flatten(tree)
      const results: unknown[] = []
      for (const leaf of leaves) {
        const result = f(leaf as NdArray)
        if (E.isLeft(result)) return result
        results.push(result.right)
      }
      return E.right(unflatten(def, results) as T)
    }
  },
)
/** Every leaf through a function that may give nothing: `traverseOption((x) => (x.ndim === 0 ? O.none : O.some(x)))(params)`. */
export const traverseOption = /* @__PURE__ */ takes(
  'fp.traverseOption',
  1,
  (f: (leaf: NdArray) => O.Option<unknown>): (<T>(tree: T) => O.Option<T>) => {
    functionOf('traverseOption', f)
    const traverse = traverseEither((leaf) => E.fromOption(() => null)(f(leaf)))
    return (tree) => O.fromEither(traverse(tree))
  },
)
