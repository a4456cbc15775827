/** scope: what is made inside and not returned is freed at its end. */
import { type ConcreteArray, NdArray, scopes } from '../src/core/array.ts'
import { TracerError } from '../src/core/errors.ts'
import { leaves } from '../src/tree.ts'
import { called } from './leaves.ts'
import { takes } from '../src/core/takes.ts'

/**
 * Runs f, frees every array that it made and didn't return (in a tree, at any depth), and gives its result. Nobody has to call it: it is for
 * those who want memory exact. Constants that a jitted function captured while it was traced stay with that function.
 *
 * @example scope(() => np.add(np.ones([2]), np.ones([2]))) // [2, 2]
 * @throws TracerError when f returns a promise: arrays made after an await would escape
 */
export const scope = /* @__PURE__ */ takes('scope', 1, <R>(f: () => R): R => {
  called('scope', f)
  const made = new Set<ConcreteArray>()
  scopes.push(made)
  let kept: readonly unknown[] = []
  try {
    const result = f()
    if (result instanceof Promise) throw new TracerError('scope got a promise: its function must be synchronous; await outside it')
    kept = leaves(result)
    return result
  } finally {
    scopes.pop()
    for (const x of kept) if (x instanceof NdArray && made.delete(x as ConcreteArray)) scopes.at(-1)?.add(x as ConcreteArray)
    for (const x of made) if (!x.retained) x.dispose()
  }
})
