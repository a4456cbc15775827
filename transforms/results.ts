/** What a differentiated function returns: its result, and beside it aux, which is handed through. */
import type { NdArray } from '../src/core/array.ts'
import { TreeError } from '../src/core/errors.ts'
import { isDict, showDef, type TreeDef, unflatten } from '../src/tree.ts'
import { flag, type Schema } from '../src/core/options.ts'
import { reading } from '../src/core/show.ts'

type Args = readonly unknown[]

const countOf = (d: TreeDef): number => (d.kind === 'leaf' ? 1 : d.kind === 'none' ? 0 : d.children.reduce((n, c) => n + countOf(c), 0))

export interface AuxOptions {
  /** The function returns [result, aux]; aux is handed through, and has no derivative. */
  readonly hasAux: true
}
export const auxOptions: Schema<{ readonly hasAux?: boolean }> = { hasAux: flag }
/** Of a list of primals, whether options come after them. */
export const withoutOptions = (given: Args): readonly [primals: Args, hasAux: boolean] => {
  const last = given.at(-1)
  const isOptions = reading(
    TreeError,
    'the last argument',
    () => isDict(last) && Object.keys(last).join() === 'hasAux' && typeof last['hasAux'] === 'boolean',
  )
  return isOptions ? [given.slice(0, -1), (last as AuxOptions).hasAux] : [given, false]
}
/** How many of the results are differentiated: all, or those of the first of [result, aux]. */
export const differentiated = (out: TreeDef, hasAux: boolean, what: string, result = 'result'): number => {
  if (!hasAux) return countOf(out)
  if (out.kind === 'list' && out.children.length === 2) return countOf(out.children[0]!)
  throw new TreeError(`${what} has hasAux, so it needs a function that returns [${result}, aux], and it returned ${showDef(out)}`)
}
/** What f returned, in its parts. */
export const partsOf = (out: TreeDef, results: readonly NdArray[], hasAux: boolean) => {
  const whole = unflatten(out, results.slice(0, countOf(out)))
  if (!(hasAux && out.kind === 'list')) return { out, value: whole, aux: [], outs: results.slice(0, countOf(out)) }
  const [value, aux] = whole as readonly [unknown, unknown]
  return { out: out.children[0]!, value, aux: [aux], outs: results.slice(0, countOf(out.children[0]!)) }
}
