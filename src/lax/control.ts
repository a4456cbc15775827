/** Loops and branches inside a program: their bodies are traced once, and each is compiled once. */
import { joined } from '../../primitives/cond.ts'
import { inline } from '../../transforms/algebra.ts'
import { checkpoint } from '../../transforms/checkpoint.ts'
import { called, flatFunction, flattenArrays } from '../../transforms/leaves.ts'
import { vmap } from '../../transforms/vmap.ts'
import { bindControl } from '../control.ts'
import { NdArray } from '../core/array.ts'
import { type Aval, aval, eqAval, showAval } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { ShapeError, TreeError } from '../core/errors.ts'
import { constant, evalJaxpr as evalBody, trace, type Traced } from '../core/trace.ts'
import { refuse } from '../numpy/check.ts'
import { anyArray } from '../numpy/promote.ts'
import { difference, flatten, map as mapTree, paths, type TreeDef, unflatten } from '../tree.ts'

interface Flat {
  readonly leaves: readonly NdArray[]
  readonly def: TreeDef
}
interface Body extends Traced {
  readonly out: TreeDef
}
type Fn = (...args: never[]) => unknown

const avalsOf = (xs: readonly NdArray[]): readonly Aval[] => xs.map((x) => x.aval)
const rowOf = (a: Aval): Aval => ({ ...a, shape: a.shape.slice(1) })

/** f of some trees, traced at the avals of their leaves. */
const traced = (f: Fn, what: string, args: readonly Flat[], avals: readonly Aval[]): Body => {
  const flat = flatFunction(f, { kind: 'list', children: args.map(({ def }) => def) } as TreeDef, what)
  const { jaxpr, captures } = trace(avals, flat.call, what)
  return { jaxpr: inline(jaxpr, false), captures, out: flat.out() } // jitted functions are opened: derivatives divide a body by its equations
}

/** What a body gives for the carry must be what it takes. */
const sameCarry = (what: string, carry: Flat, out: TreeDef, given: readonly Aval[]): void => {
  const found = difference(carry.def, out)
  if (found !== null)
    throw new TreeError(
      `${what}: the carry's structure changes ${found}: return a carry like the one that comes in (left: before, right: after)`,
    )
  const at = paths(unflatten(carry.def, carry.leaves))
  carry.leaves.forEach((x, i) => {
    if (!eqAval({ ...x.aval, weak: false }, { ...given[i]!, weak: false }))
      throw new ShapeError(
        `${what}: the carry${at[i] && ` at ${at[i]}`} comes in as ${showAval(x.aval)} and goes out as ${showAval(given[i]!)}: ${
          x.dtype === given[i]!.dtype ? 'keep its shape' : `begin with ${given[i]!.dtype}, or convert what the body returns to ${x.dtype}`
        }`,
      )
  })
}
/** Weak leaves (numbers, that is) take the dtypes that the body gives them, as in JAX. */
const strengthened = ({ leaves, def }: Flat, given: readonly Aval[]): Flat | null => {
  const weak = leaves.map((x, i) => given[i] !== undefined && x.aval.weak && (x.dtype !== given[i].dtype || !given[i].weak))
  if (!weak.includes(true)) return null
  return { def, leaves: leaves.map((x, i) => (weak[i] ? c.convertElementType(x, given[i]!.dtype) : x)) }
}

/** A tree whose numbers have become arrays. */
export type Arrays<T> = T extends number | boolean ? NdArray : T extends NdArray | null | undefined ? T : { [K in keyof T]: Arrays<T[K]> }

export interface ScanOptions {
  /** How many turns; needed where there is nothing to scan over. */
  readonly length?: number
  /** From the last element to the first; what is stacked stays where its element is. */
  readonly reverse?: boolean
  /** Turns that one turn of the compiled loop does. Default 1. */
  readonly unroll?: number
}

/** How many turns a scan takes: the arrays and `length` must agree. */
const turnsOf = (what: string, { leaves }: Flat, at: readonly string[], length: number | undefined): number => {
  leaves.forEach((x, i) => {
    if (x.ndim === 0) refuse(ShapeError, what, [x], `a scalar${at[i] && ` at ${at[i]}`} has no leading axis to scan over`)
  })
  const turns = length ?? leaves[0]?.shape[0]
  if (turns === undefined || !Number.isInteger(turns) || turns < 0)
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
export const scan = <C, X, Y>(
  f: (carry: Arrays<C>, x: X) => readonly [Arrays<C>, Y],
  init: C,
  xs: X,
  options: ScanOptions = {},
): readonly [Arrays<C>, Y] => {
  const what = called('scan', f, options)
  const { length, reverse = false, unroll = 1 } = options
  const scanned = flattenArrays(xs, what)
  const turns = turnsOf(what, scanned, paths(xs), length)
  if (!Number.isInteger(unroll) || unroll < 1) throw new ShapeError(`${what}: unroll is ${unroll}, and must be a whole number from 1 on`)

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
    const all = bindControl('scan', params, [...own.captures, ...state, ...grouped])
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
}
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
        const outs = evalBody(jaxpr, [...consts, ...state, ...xs])
        state = outs.slice(0, numCarry)
        rows[at] = outs.slice(numCarry).map((y) => c.reshape(y, [1, ...y.shape]))
      }
      return [...state, ...rows[0]!.map((_, i) => c.concatenate(rows.map((row) => row[i]!), 0))] // prettier-ignore
    },
    'scan',
  )
  return { jaxpr: own.jaxpr, captures: [...own.captures, ...captures], out }
}

/**
 * f over the leading axis of a tree of arrays, one after the other; with `batchSize`, so many at once. As `jax.lax.map`.
 *
 * @example lax.map((x: NdArray) => x.mul(x), np.array([1, 2, 3])) // [1, 4, 9]
 */
export const map = <X, Y>(f: (x: X) => Y, xs: X, options: { readonly batchSize?: number } = {}): Y => {
  const what = called('map', f, options)
  const { batchSize = 1 } = options
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new ShapeError(`${what}: batchSize is ${batchSize}, and must be a whole number from 1 on`)
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
}

/**
 * Runs `body` as long as `test` holds of the carry. Derivatives go forward; with `maxSteps`, after which it stops in any case, backward too.
 * As `jax.lax.while_loop`.
 *
 * @example lax.whileLoop((x: NdArray) => x.less(100), (x) => x.mul(2), np.array(3)) // 192
 * @throws ShapeError or TreeError where the carry changes its type, or the condition isn't one bool
 */
export const whileLoop = <C>(
  test: (carry: Arrays<C>) => NdArray,
  body: (carry: Arrays<C>) => Arrays<C>,
  init: C,
  options: { readonly maxSteps?: number } = {},
): Arrays<C> => {
  const what = called('whileLoop', body, options)
  const { maxSteps } = options
  called('whileLoop', test)
  if (maxSteps !== undefined) {
    if (!Number.isInteger(maxSteps) || maxSteps < 0) throw new ShapeError(`${what}: maxSteps is ${maxSteps}, and must be a whole number`)
    return bounded(test, body, init, maxSteps)
  }
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
  return unflatten(carry.def, bindControl('while', params, [...condition.captures, ...step.captures, ...carry.leaves])) as Arrays<C>
}

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
export const foriLoop = <C>(
  lower: number | NdArray,
  upper: number | NdArray,
  body: (i: NdArray, carry: Arrays<C>) => Arrays<C>,
  init: C,
): Arrays<C> => {
  const what = called('foriLoop', body)
  const bound = (x: number | NdArray): NdArray => {
    const value = typeof x === 'number' ? constant(x, aval([], 'int32')) : anyArray(what, x)
    if (value.ndim > 0 || value.dtype !== 'int32' || (typeof x === 'number' && !Number.isInteger(x)))
      refuse(ShapeError, what, [x], 'the bounds are whole numbers, or int32 scalars')
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
}

/** The branch that the index chooses, of functions of the same operands that give the same types. */
const branch = <A extends readonly unknown[], R>(
  what: string,
  index: NdArray,
  branches: readonly ((...args: A) => R)[],
  operands: A,
): R => {
  const own = operands.map((x) => flattenArrays(x, what))
  const leaves = own.flatMap((x) => x.leaves)
  const bodies = branches.map((f, k) => traced(f as unknown as Fn, `branch ${k} of ${what}`, own, avalsOf(leaves)))
  const [first, ...others] = bodies
  for (const [k, other] of others.entries()) {
    const found = difference(first!.out, other.out)
    if (found !== null) throw new TreeError(`${what}: branches 0 (left) and ${k + 1} (right) give trees that differ ${found}`)
  }
  const avals = first!.jaxpr.outs.map((_, i) => bodies.map(({ jaxpr }) => jaxpr.outs[i]!.aval))
  const at = paths(unflatten(first!.out, avals.map(() => 0))) // prettier-ignore
  // As in JAX, weak types give way.
  const common = avals.map((each) => each.find((a) => !a.weak) ?? each[0]!)
  const alike = bodies.map((body, k): Traced => {
    avals.forEach((each, i) => {
      const fits = each[k]!.weak && isFloat(each[k]!.dtype) === isFloat(common[i]!.dtype)
      if (
        !eqAval({ ...each[k]!, weak: false }, { ...common[i]!, weak: false }) &&
        !(fits && each[k]!.shape.join() === common[i]!.shape.join())
      )
        throw new ShapeError(
          `${what}: the branches disagree${at[i] && ` at ${at[i]}`}: ${each.map(showAval).join(', ')}: let all give one shape and dtype`,
        )
    })
    const placed = trace(
      body.jaxpr.inputs.map((v) => v.aval),
      (args) => evalBody(body.jaxpr, args).map((y, i) => (y.dtype === common[i]!.dtype ? y : c.convertElementType(y, common[i]!.dtype))),
      what,
    )
    return { jaxpr: placed.jaxpr, captures: [...placed.captures, ...body.captures] }
  })
  const { jaxprs, captures } = joined(alike)
  return unflatten(first!.out, bindControl('cond', { jaxprs }, [index, ...captures, ...leaves])) as R
}

/**
 * One of two functions of the operands, chosen by a bool scalar when the program runs; only that one is run, but under a vmap over the choice.
 * As `jax.lax.cond`.
 *
 * @example lax.cond(np.array(2).greater(1), (x: NdArray) => x.add(1), (x: NdArray) => x.mul(10), np.array(5)) // 6
 * @throws ShapeError or TreeError where the branches disagree
 */
export const cond = <A extends readonly unknown[], R>(
  pred: NdArray | boolean,
  ifTrue: (...operands: A) => R,
  ifFalse: (...operands: A) => NoInfer<R>,
  ...operands: A
): R => {
  const what = called('cond', ifTrue)
  called('cond', ifFalse)
  const holds = typeof pred === 'boolean' ? constant(pred ? 1 : 0, aval([], 'bool')) : anyArray(what, pred)
  if (holds.ndim > 0 || holds.dtype !== 'bool') refuse(ShapeError, what, [holds], 'the predicate must be one bool')
  return branch(what, c.convertElementType(holds, 'int32'), [ifFalse, ifTrue], operands)
}

/**
 * The function that an int32 scalar chooses, of the same operands; an index outside takes the nearest. As `jax.lax.switch`.
 *
 * @example lax.switch(np.array(1, { dtype: 'int32' }), [(x: NdArray) => x, (x: NdArray) => x.mul(10)], np.array(5)) // 50
 * @throws ShapeError or TreeError where the branches disagree, or there are none
 */
const switchCase = <A extends readonly unknown[], R>(
  index: NdArray | number,
  branches: readonly ((...operands: A) => R)[],
  ...operands: A
): R => {
  if (!Array.isArray(branches) || branches.length === 0) throw new ShapeError('switch needs a list of at least one branch')
  branches.forEach((f) => called('switch', f))
  const at = typeof index === 'number' ? constant(index, aval([], 'int32')) : anyArray('switch', index)
  if (at.ndim > 0 || at.dtype !== 'int32') refuse(ShapeError, 'switch', [at], 'the index must be one int32')
  return branch('switch', at, branches, operands)
}
export { switchCase as switch }

/**
 * All prefixes of elements along an axis, combined by an associative function of two trees, in a number of steps that grows with the logarithm of
 * how many there are. As `jax.lax.associative_scan`.
 *
 * @example lax.associativeScan((x: NdArray, y: NdArray) => x.add(y), np.array([1, 2, 3, 4, 5])) // [1, 3, 6, 10, 15]
 */
export const associativeScan = <T>(
  f: (left: T, right: T) => T,
  elems: T,
  options: { readonly axis?: number; readonly reverse?: boolean } = {},
): T => {
  const what = called('associativeScan', f, options)
  const { axis = 0, reverse = false } = options
  const { leaves, def } = flattenArrays(elems, what)
  const at = leaves.map((x) => {
    const d = axis < 0 ? axis + x.ndim : axis
    return d >= 0 && d < x.ndim ? d : refuse(ShapeError, what, [x], `axis ${axis} is out of range`)
  })
  const counts = new Set(leaves.map((x, i) => x.shape[at[i]!]!))
  if (counts.size > 1) throw new ShapeError(`${what}: the axes are ${[...counts].join(' and ')} long, and must be of one length`)
  const combined = (xs: readonly NdArray[], ys: readonly NdArray[]): readonly NdArray[] => {
    const out = flattenArrays(f(unflatten(def, xs) as T, unflatten(def, ys) as T), what)
    const found = difference(def, out.def)
    if (found !== null) throw new TreeError(`${what}: f must give a tree like those that it takes: they differ ${found}`)
    return out.leaves
  }
  const every = (xs: readonly NdArray[], from: number, to: number, step: number): readonly NdArray[] =>
    xs.map((x, i) => {
      const along = (n: number): number[] => x.shape.map((size, d) => (d === at[i] ? n : n === from ? 0 : size))
      return c.slice(x, along(from), x.shape.map((size, d) => (d === at[i] ? to : size)), x.shape.map((_, d) => (d === at[i] ? step : 1))) // prettier-ignore
    })
  const prefixes = (xs: readonly NdArray[], n: number): readonly NdArray[] => {
    if (n < 2) return xs
    const half = n >> 1
    const odd = prefixes(combined(every(xs, 0, 2 * half - 1, 2), every(xs, 1, 2 * half, 2)), half)
    const inner = (n - 1) >> 1
    const first = every(xs, 0, 1, 1)
    const even = inner === 0 ? first : joinedAlong(first, combined(every(odd, 0, inner, 1), every(xs, 2, n, 2)))
    return interleaved(even, odd, n)
  }
  const joinedAlong = (xs: readonly NdArray[], ys: readonly NdArray[]): readonly NdArray[] =>
    xs.map((x, i) => c.concatenate([x, ys[i]!], at[i]!))
  /** Even places from one, odd ones from the other. */
  const interleaved = (even: readonly NdArray[], odd: readonly NdArray[], n: number): readonly NdArray[] =>
    even.map((x, i) => {
      const d = at[i]!
      const [count, y] = [x.shape[d]!, odd[i]!]
      const spare = count > y.shape[d]! ? c.concatenate([y, every([x], count - 1, count, 1)[0]!], d) : y
      const lifted = [x, spare].map((z) => c.reshape(z, [...z.shape.slice(0, d + 1), 1, ...z.shape.slice(d + 1)]))
      const both = c.concatenate(lifted, d + 1)
      const flat = c.reshape(both, [...x.shape.slice(0, d), 2 * count, ...x.shape.slice(d + 1)])
      return c.slice(flat, flat.shape.map(() => 0), flat.shape.map((size, e) => (e === d ? n : size))) // prettier-ignore
    })
  const turned = (xs: readonly NdArray[]): readonly NdArray[] => (reverse ? xs.map((x, i) => c.rev(x, [at[i]!])) : xs)
  const n = [...counts][0] ?? 0
  return unflatten(def, turned(prefixes(turned(leaves), n))) as T
}
