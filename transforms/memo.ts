/** Results of a transform of a jaxpr, kept while the jaxpr lives: an inner jaxpr is transformed once. */
import type { Jaxpr } from '../src/core/jaxpr.ts'

export const memo = <A extends readonly unknown[], R>(
  f: (jaxpr: Jaxpr, ...options: A) => R,
  keep: (result: R) => boolean = () => true,
): ((jaxpr: Jaxpr, ...options: A) => R) => {
  const results = new WeakMap<Jaxpr, Map<string, R>>()
  return (jaxpr, ...options) => {
    let mine = results.get(jaxpr)
    if (mine === undefined) results.set(jaxpr, (mine = new Map()))
    const key = JSON.stringify(options)
    const kept = mine.get(key)
    if (kept !== undefined) return kept
    const result = f(jaxpr, ...options)
    if (keep(result)) mine.set(key, result)
    return result
  }
}
