/** Loops inside a program: their bodies are traced and compiled once. */
import { checkpoint } from '../../transforms/checkpoint.ts'
import { called, flattenArrays, type Flat } from '../../transforms/leaves.ts'
import { vmap } from '../../transforms/vmap.ts'
import type { NdArray } from '../core/array.ts'
import { type Aval, aval, showAval } from '../core/aval.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import { bind, constant, evalJaxpr, trace } from '../core/trace.ts'
import { int32Of, refuse } from '../numpy/check.ts'
import { anyArray } from '../numpy/promote.ts'
import { flatten, map as mapTree, paths, type TreeDef, unflatten } from '../tree.ts'
import { traced, type Body, type Fn, avalsOf, sameCarry, strengthened, type Arrays } from './body.ts'
import { cond } from './branches.ts'
import * as c from '../core/constructors.ts'
import { atLeast, flag, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

const rowOf = (a: Aval): Aval => ({ ...a, shape: a.shape.slice(1) })

export interface ScanOptions {
  /** How many turns; needed where there is nothing to scan over. */
  readonly length?: number
  /** From the last element to the first; what is stacked stays where its element is. */
  readonly reverse?: boolean
  /** Turns that one turn of the compiled loop does. Default 1. */
  readonly unroll?: number
}
const scanOptions: Schema<ScanOptions> = { length: atLeast(0), reverse: flag, unroll: atLeast(1) }

/** How many turns a scan takes: the arrays and `length` must agree. */
const turnsOf = (what: string, { leaves }: Flat, at: readonly string[], length: number | undefined): number => {
  leaves.forEach((x, i) => {
    if (x.ndim === 0) refuse(ShapeError, what, [x], `a scalar${at[i] && ` at ${at[i]}`} has no leading axis to scan over`)
  })
  const turns = length ?? leaves[0]?.shape[0]
  if (turns === undefined)
    throw new ShapeError(`${what}: how many turns? Give length, a whole number, where there are no arrays to scan over`)
  const off = leaves.findIndex((x) => x.shape[0] !== turns)
  if (off >= 0) throw new ShapeError(`${what}: ${showAval(leaves[off]!.aval)}${at[off] && ` at ${at[off]}`} isn't ${turns} long`)
  return turns
}

/**
 * A loop over the leading axis of `xs`, a tree of arrays: f takes the carry and an element, and gives the next carry and what is stacked. The
 * result is the last carry and the stack. Reverse mode takes time and memory proportional to its length. As `jax.lax.scan`.
 *
 * @example lax.scan((sum: NdArray, x: NdArray) => [sum.add(x), sum], np.array(0), np.array([1, 2, 3])) // [6, [0, 1, 3]]
 * @throws ShapeError or TreeError where the carry changes its type, or the leading axes differ
 */
export const scan = /* @__PURE__ */ takesOptions(
  'scan',
  4,
  scanOptions,
  <C, X, Y>(f: (carry: Arrays<C>, x: X) => readonly [Arrays<C>, Y], init: C, xs: X, options: ScanOptions = {}): readonly [Arrays<C>, Y] => {
    const what = called('scan', f)
    const { length, reverse = false, unroll = 1 } = options
    const scanned = flattenArrays(xs, what)
    const turns = turnsOf(what, scanned, paths(xs), length)
    if (Math.min(unroll, turns) > 2 ** 16) throw new ShapeError(`${what}: unroll is ${unroll}, and ${2 ** 16} turns at most become one`)

    let carry = flattenArrays(init, what)
    const pair = (own: Arrays<C>, x: X): unknown => {
      const out = f(own, x)
      if (!Array.isArray(out) || out.length !== 2)
        throw new TreeError(`${what} must return a pair: the next carry, and what is stacked (or null)`)
      return out
    }
    const once = (): Body => traced(pair as Fn, what, [carry, scanned], [...avalsOf(carry.leaves), ...avalsOf(scanned.leaves).map(rowOf)])
    let body = once()
    const outs = (): readonly Aval[] => body.jaxpr.outs.map((a) => a.aval)
    const stronger = strengthened(carry, outs().slice(0, carry.leaves.length))
    if (stronger !== null) {
      carry = stronger
      body = once()
    }
    const [outCarry, outY] = (body.out as TreeDef & { readonly children: readonly TreeDef[] }).children
    const numCarry = carry.leaves.length
    sameCarry(what, carry, outCarry!, outs().slice(0, numCarry))

    const run = (state: readonly NdArray[], rows: readonly NdArray[], trips: number, by: number): readonly (readonly NdArray[])[] => {
      const own = by === 1 ? body : unrolled(body, numCarry, by, reverse)
      const params = { jaxpr: own.jaxpr, length: trips / by, reverse, numConsts: own.captures.length, numCarry }
      const grouped = by === 1 ? rows : rows.map((x) => c.reshape(x, [trips / by, by, ...x.shape.slice(1)]))
      const all = bind('scan', params, [...own.captures, ...state, ...grouped])
      const ys = all.slice(numCarry)
      return [all.slice(0, numCarry), by === 1 ? ys : ys.map((y) => c.reshape(y, [trips, ...y.shape.slice(2)]))]
    }
    // What isn't a whole number of groups is done after them, one by one.
    const whole = turns - (turns % unroll)
    const spans: (readonly [from: number, to: number, by: number])[] = reverse
    ? [[turns - whole, turns, unroll], [0, turns - whole, 1]] // prettier-ignore
    : [[0, whole, unroll], [whole, turns, 1]] // prettier-ignore
    let state = carry.leaves
    const stacks: (readonly NdArray[])[] = []
    for (const [from, to, by] of turns === 0 ? [[0, 0, 1] as const] : spans.filter(([from, to]) => from < to)) {
      const rows = to - from === turns ? scanned.leaves : scanned.leaves.map((x) => rowsOf(x, from, to))
      const [next, ys] = run(state, rows, to - from, by)
      state = next!
      if (reverse) stacks.unshift(ys!)
      else stacks.push(ys!)
    }
    const ys = stacks.length === 1 ? stacks[0]! : stacks[0]!.map((_, i) => c.concatenate(stacks.map((own) => own[i]!), 0)) // prettier-ignore
    return [unflatten(outCarry!, state), unflatten(outY!, ys)] as unknown as readonly [Arrays<C>, Y]
  },
)
const rowsOf = (x: NdArray, from: number, to: number): NdArray =>
  c.slice(x, x.shape.map((_, d) => (d === 0 ? from : 0)), x.shape.map((n, d) => (d === 0 ? to : n))) // prettier-ignore

/** A body that does `by` turns, over elements that are groups of as many. */
const unrolled = ({ jaxpr, captures, out }: Body, numCarry: number, by: number, reverse: boolean): Body => {
  const avals = jaxpr.inputs.map((v) => v.aval)
  const fixed = captures.length + numCarry
  const wide = avals.map((a, i) => (i < fixed ? a : { ...a, shape: [by, ...a.shape] }))
  const own = trace(
    wide,
    (args) => {
      const consts = args.slice(0, captures.length)
      let state = args.slice(captures.length, fixed)
      const rows: (readonly NdArray[])[] = []
      for (let k = 0; k < by; k++) {
        const at = reverse ? by - 1 - k : k
        const xs = args.slice(fixed).map((x) => c.reshape(rowsOf(x, at, at + 1), x.shape.slice(1)))
        const outs = evalJaxpr(jaxpr, [...consts, ...state, ...xs])
        state = outs.slice(0, numCarry)
        rows[at] = outs.slice(numCarry).map((y) => c.reshape(y, [1, ...y.shape]))
      }
      return [...state, ...rows[0]!.map((_, i) => c.concatenate(rows.map((row) => row[i]!), 0))] // prettier-ignore
    },
    'scan',
  )
  return { jaxpr: own.jaxpr, captures: [...own.captures, ...captures], out }
}

export interface MapOptions {
  /** So many elements at once; default 1. */
  readonly batchSize?: number
}
const mapOptions: Schema<MapOptions> = { batchSize: atLeast(1) }
/**
 * f over the leading axis of a tree of arrays, one after the other; with `batchSize`, so many at once. As `jax.lax.map`.
 *
 * @example lax.map((x: NdArray) => x.mul(x), np.array([1, 2, 3])) // [1, 4, 9]
 */
export const map = /* @__PURE__ */ takesOptions('map', 3, mapOptions, <X, Y>(f: (x: X) => Y, xs: X, options: MapOptions = {}): Y => {
  const what = called('map', f)
  const { batchSize = 1 } = options
  const each = (own: X, g: (x: X) => Y): Y => scan((_: null, x: X) => [null, g(x)] as const, null, own)[1]
  const { leaves, def } = flattenArrays(xs, what)
  const turns = leaves[0]?.shape[0]
  if (batchSize === 1 || turns === undefined) return each(xs, f)
  const whole = turns - (turns % batchSize)
  const wide = vmap(f)
  const rows = (from: number, to: number, shape: (x: NdArray) => readonly number[]): X =>
    unflatten(def, leaves.map((x) => c.reshape(rowsOf(x, from, to), shape(x)))) as X // prettier-ignore
  const merged = (y: NdArray): NdArray => c.reshape(y, [y.shape[0]! * y.shape[1]!, ...y.shape.slice(2)])
  const parts: unknown[] = []
  if (whole > 0)
    parts.push(
      mapTree(
        merged,
        each(
          rows(0, whole, (x) => [whole / batchSize, batchSize, ...x.shape.slice(1)]),
          wide,
        ) as never,
      ),
    )
  if (whole < turns) parts.push(wide(rows(whole, turns, (x) => [turns - whole, ...x.shape.slice(1)])))
  if (parts.length === 1) return parts[0] as Y
  const [first, second] = parts.map((part) => flatten(part))
  return unflatten(first![1], first![0].map((y, i) => c.concatenate([y as NdArray, second![0][i] as NdArray], 0))) as Y // prettier-ignore
})

export interface WhileOptions {
  /** Turns after which it stops in any case, so that it has derivatives backward. */
  readonly maxSteps?: number
}
const whileOptions: Schema<WhileOptions> = { maxSteps: atLeast(0) }
/**
 * Runs `body` as long as `test` holds of the carry. Derivatives go forward; with `maxSteps`, after which it stops in any case, backward too.
 * As `jax.lax.while_loop`.
 *
 * @example lax.whileLoop((x: NdArray) => x.less(100), (x) => x.mul(2), np.array(3)) // 192
 * @throws ShapeError or TreeError where the carry changes its type, or the condition isn't one bool
 */
export const whileLoop = /* @__PURE__ */ takesOptions(
  'whileLoop',
  4,
  whileOptions,
  <C>(test: (carry: Arrays<C>) => NdArray, body: (carry: Arrays<C>) => Arrays<C>, init: C, options: WhileOptions = {}): Arrays<C> => {
    const what = called('whileLoop', body)
    const { maxSteps } = options
    called('whileLoop', test)
    if (maxSteps !== undefined) return bounded(test, body, init, maxSteps)
    let carry = flattenArrays(init, what)
    const once = (): Body => traced(body as Fn, what, [carry], avalsOf(carry.leaves))
    let step = once()
    const stronger = strengthened(carry, step.jaxpr.outs.map((a) => a.aval)) // prettier-ignore
    if (stronger !== null) {
      carry = stronger
      step = once()
    }
    sameCarry(what, carry, step.out, step.jaxpr.outs.map((a) => a.aval)) // prettier-ignore
    const condition = traced(test as Fn, `the condition of ${what}`, [carry], avalsOf(carry.leaves))
    const given = condition.jaxpr.outs.map((a) => a.aval)
    if (given.length !== 1 || given[0]!.dtype !== 'bool' || given[0]!.shape.length > 0)
      throw new ShapeError(`${what}: the condition gives ${given.map(showAval).join(', ') || 'nothing'}, and must give one bool`)
    const params = {
      jaxprs: [condition.jaxpr, step.jaxpr],
      condConsts: condition.captures.length,
      bodyConsts: step.captures.length,
    }
    return unflatten(carry.def, bind('while', params, [...condition.captures, ...step.captures, ...carry.leaves])) as Arrays<C>
  },
)

/** A loop of so many turns at most, in groups whose turns are computed again for the derivative: memory grows with the root of their number. */
const bounded = <C>(test: (carry: Arrays<C>) => NdArray, body: (carry: Arrays<C>) => Arrays<C>, init: C, maxSteps: number): Arrays<C> => {
  const size = Math.ceil(Math.sqrt(maxSteps))
  const ifGoing = (f: (carry: Arrays<C>) => Arrays<C>, own: Arrays<C>): Arrays<C> => cond(test(own), f, (same: Arrays<C>) => same, own)
  const repeated = (f: (carry: Arrays<C>) => Arrays<C>, start: Arrays<C>, length: number): Arrays<C> =>
    scan((own, _: null) => [f(own as Arrays<C>) as typeof own, null] as const, start, null, { length })[0] as Arrays<C>
  const turn = (own: Arrays<C>): Arrays<C> => ifGoing(body, own)
  const group = checkpoint((own: Arrays<C>): Arrays<C> => ifGoing((start) => repeated(turn, start, size), own))
  const whole = Math.floor(maxSteps / Math.max(1, size))
  return repeated(turn, repeated(group, init as Arrays<C>, whole), maxSteps - whole * size)
}

/**
 * body(i, carry) for i from `lower` up to `upper`, handing the carry on. Between numbers it is a scan, which reverse mode goes through; between
 * arrays a while loop. As `jax.lax.fori_loop`.
 *
 * @example lax.foriLoop(0, 5, (i, sum) => sum.add(i), np.array(0, { dtype: 'int32' })) // 10
 */
export const foriLoop = /* @__PURE__ */ takes(
  'foriLoop',
  4,
  <C>(lower: number | NdArray, upper: number | NdArray, body: (i: NdArray, carry: Arrays<C>) => Arrays<C>, init: C): Arrays<C> => {
    const what = called('foriLoop', body)
    const bound = (x: number | NdArray): NdArray => {
      const value = typeof x === 'number' && Number.isInteger(x) ? constant(int32Of(what, x), aval([], 'int32')) : anyArray(what, x)
      if (value.ndim > 0 || value.dtype !== 'int32') refuse(ShapeError, what, [x], 'the bounds are whole numbers, or int32 scalars')
      return value
    }
    const [from, to] = [bound(lower), bound(upper)]
    type State = readonly [i: NdArray, carry: Arrays<C>]
    const turn = ([i, own]: State): State => [c.add(i, constant(1, i.aval)), body(i, own)]
    const start = [from, init] as unknown as readonly [NdArray, NdArray] // arrays, and so what State makes of it
    if (typeof lower === 'number' && typeof upper === 'number')
      return scan((own, _: null) => [turn(own as unknown as State) as never, null] as const, start, null, {
        length: Math.max(0, upper - lower),
      })[0][1] as Arrays<C>
    return whileLoop(
      ([i]) => c.lt(i, to),
      (own) => turn(own as unknown as State) as never,
      start,
    )[1] as Arrays<C>
  },
)
