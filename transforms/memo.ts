/** Results of a transform of a jaxpr, kept while the jaxpr lives: an inner jaxpr is transformed once. */
import type { Jaxpr } from '../src/core/jaxpr.ts'

export const memo = <A extends readonly unknown[], R>(f: (jaxpr: Jaxpr, ...options: A) => R): ((jaxpr: Jaxpr, ...options: A) => R) => {
  const results = new WeakMap<Jaxpr, Map<string, R>>()
  return (jaxpr, ...options) => {
    let mine = results.get(jaxpr)
    if (mine === undefined) results.set(jaxpr, (mine = new Map()))
    const key = JSON.stringify(options)
    let result = mine.get(key)
    if (result === undefined) mine.set(key, (result = f(jaxpr, ...options)))
    return result
  }
}
