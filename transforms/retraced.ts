/** Why a jitted function was traced again; and a warning where that happens often. */
import { type Aval, eqAval, showAval } from '../src/core/aval.ts'
import { difference } from '../src/tree.ts'
import type { Signature } from './traceCache.ts'

type PathsOf = (signature: Signature) => readonly string[]

/** Which argument made a call unlike the one before, from what to what. */
export const changed = (before: Signature, now: Signature, pathsOf: PathsOf): string => {
  const found = difference(before.def, now.def)
  if (found !== null) return `the arguments' structure changed ${found.replace('on the left', 'before').replace('on the right', 'now')}`
  const at = pathsOf(now)
  const i = now.avals.findIndex((a, k) => !eqAval(a, before.avals[k]!))
  const shown = (a: Aval): string => (a.weak ? 'weak ' : '') + showAval(a)
  if (i >= 0) return `argument ${at[i]} was ${shown(before.avals[i]!)} and is ${shown(now.avals[i]!)}`
  const k = now.statics.findIndex((x, n) => !Object.is(x, before.statics[n]))
  return k < 0
    ? 'the entry had been dropped: the cache is full'
    : `a static argument was ${text(before.statics[k])} and is ${text(now.statics[k])}`
}

const text = (x: unknown): string => (Object.is(x, -0) ? '-0' : typeof x === 'string' ? JSON.stringify(x) : String(x)).slice(0, 80)

/** Says that a function has been traced so often, and what made each of the last times new. */
export const warn = (what: string, traced: readonly Signature[], pathsOf: PathsOf): void => {
  const reasons = traced.slice(1).map((now, i) => `  ${changed(traced[i]!, now, pathsOf)}`)
  console.warn(
    `${what} was traced and compiled ${traced.length} times, since its calls differ; pad arrays to a few shapes, pass numbers as arguments and not as static ones, or set debug.compileWarnings(false):\n${reasons.slice(-5).join('\n')}`,
  )
}
