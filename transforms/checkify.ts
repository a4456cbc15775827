/** checkify: a function that checks what it computes, and says as a value what went wrong first. */
import { grouped } from '../src/core/flags.ts'
import { joined } from '../primitives/carrying.ts'
import { NdArray } from '../src/core/array.ts'
import { aval, showAvals } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { CheckError } from '../src/core/errors.ts'
import { type Atom, type Eqn, type Jaxpr, variable } from '../src/core/jaxpr.ts'
import { placeOf } from '../src/core/source.ts'
import type { Traced } from '../src/core/rules.ts'
import { bind, constant, trace } from '../src/core/trace.ts'
import { registerNode, unflatten } from '../src/tree.ts'
import { replay } from './replay.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { list, oneOf, type Schema } from '../src/core/options.ts'
import { takesOptions } from '../src/core/takes.ts'

/** In this order for one operation: a cause before what comes of it. */
const KINDS = ['index', 'div', 'nan'] as const
/** What is looked for: an index out of range, a division by zero, a NaN in a result. */
export type CheckKind = (typeof KINDS)[number]

interface Site {
  readonly kind: CheckKind
  readonly eqn: Eqn
}
const reasons: { readonly [K in CheckKind]: string } = { nan: 'gave a NaN', div: 'divided by zero', index: 'got an index out of range' }

/** What a checked function found: nothing, or its first fault. A tree of one array, so that it goes through jit, vmap and grad. */
export class Checked {
  /** int32: 0 where nothing was found; one for each example under vmap. */
  readonly code: NdArray
  readonly sites: readonly Site[]
  constructor(code: NdArray, sites: readonly Site[]) {
    this.code = code
    this.sites = sites
  }
  /** The fault, in a sentence; null where there is none. Needs a device that is read synchronously. */
  get(): string | null {
    return this.#show(this.code.toTyped())
  }
  /** The same on any device. */
  async read(): Promise<string | null> {
    return this.#show(await this.code.data())
  }
  /** @throws CheckError where there is a fault */
  throw(): void {
    const fault = this.get()
    if (fault !== null) throw new CheckError(fault)
  }
  #show(codes: ArrayLike<number>): string | null {
    const example = Array.from(codes).findIndex((code) => code > 0)
    if (example < 0) return null
    const { kind, eqn } = this.sites[codes[example]! - 1]!
    const which = this.code.ndim > 0 ? `, in example ${example}` : ''
    return `${eqn.op.name}(${showAvals(eqn.inputs.map((a) => a.aval))}) ${reasons[kind]}${which}, ${placeOf(eqn.source)}`
  }
}
registerNode(
  Checked,
  ({ code, sites }) => [[code], sites],
  (sites, [code]) => new Checked(code as NdArray, sites),
)

export interface CheckifyOptions {
  /** Default: all. */
  readonly errors?: readonly CheckKind[]
}
const checkifyOptions: Schema<CheckifyOptions> = { errors: list(oneOf(...KINDS)) }

/**
 * f as a function that gives [checked, f(args)], where `checked.get()` names the first operation that gave a NaN, divided by zero or got an index out of
 * range, and its line, and `checked.throw()` throws it. Loops and branches are looked into. It composes: jit(checkify(f)), checkify(grad(f)),
 * vmap(checkify(f)). As `jax.experimental.checkify`.
 *
 * @example checkify((x: NdArray) => np.log(x))(np.array(-1))[0].get()?.startsWith('log(f32[]) gave a NaN, at ') // true
 * @throws CotangentError when there is no such check
 */
export const checkify = /* @__PURE__ */ takesOptions(
  'checkify',
  2,
  checkifyOptions,
  <A extends readonly unknown[], R>(f: (...args: A) => R, options: CheckifyOptions = {}): ((...args: A) => readonly [Checked, R]) => {
    const what = called('checkify', f)
    const { errors = KINDS } = options
    return (...args) => {
      const { leaves, def } = flattenArrays(args, what)
      const flat = flatFunction(f as (...xs: never[]) => unknown, def, what)
      const { jaxpr, captures } = trace(
        leaves.map((x) => x.aval),
        flat.call,
        what,
      )
      const sites: Site[] = []
      const checked = trace(
        jaxpr.inputs.map((v) => v.aval),
        (xs) => run(jaxpr, xs, constant(0, CODE), { sites, errors: KINDS.filter((kind) => errors.includes(kind)) }),
        what,
      )
      // As one program, where nothing is traced.
      const [code, ...outs] = bind('jit', { jaxpr: checked.jaxpr, name: what }, [...checked.captures, ...captures, ...leaves])
      return [new Checked(code!, sites), unflatten(flat.out(), outs) as R]
    }
  },
)

const CODE = aval([], 'int32')
interface Checks {
  readonly sites: Site[]
  readonly errors: readonly CheckKind[]
}

/** [code, ...outs]: the first fault, after what was found before. */
const run = (jaxpr: Jaxpr, args: readonly NdArray[], before: NdArray, checks: Checks): NdArray[] => {
  const env = new Map<Atom, NdArray>()
  jaxpr.inputs.forEach((v, i) => env.set(v, args[i]!))
  const read = (a: Atom): NdArray => (a.kind === 'lit' ? constant(a.value, a.aval) : env.get(a)!)
  let code = before
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map(read)
    const inner = carrying(eqn, inputs, code, checks)
    const outs = inner?.slice(1) ?? replay(eqn, inputs)
    if (inner !== null) code = inner[0]!
    else
      for (const kind of checks.errors) {
        const flag = faults[kind](eqn, inputs, outs)
        if (flag === null) continue
        const found = constant(checks.sites.push({ kind, eqn }), CODE)
        code = c.select(c.and(flag, c.eq(code, constant(0, CODE))), found, code)
      }
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return [code, ...jaxpr.outs.map(read)]
}

/** [code, ...outs] of an operation whose programs are looked into; null for all others. */
const carrying = ({ op }: Eqn, inputs: readonly NdArray[], code: NdArray, checks: Checks): NdArray[] | null => {
  /** A program of (…, code, …) to (code, …), where the code stands behind so many operands. */
  const looked = (jaxpr: Jaxpr, behind: number): Traced =>
    trace(
      [...jaxpr.inputs.slice(0, behind).map((v) => v.aval), CODE, ...jaxpr.inputs.slice(behind).map((v) => v.aval)],
      (xs) => run(jaxpr, [...xs.slice(0, behind), ...xs.slice(behind + 1)], xs[behind]!, checks),
      'checkify',
    )
  switch (op.name) {
    case 'jit':
    case 'customVmap':
      return run(op.params.jaxpr, inputs, code, checks)
    case 'checkpoint': {
      const { jaxpr, captures } = looked(op.params.jaxpr, 0)
      return bind('checkpoint', { ...op.params, jaxpr }, [...captures, code, ...inputs])
    }
    case 'scan': {
      const { numConsts, numCarry } = op.params
      const { jaxpr, captures } = looked(op.params.jaxpr, numConsts)
      const params = { ...op.params, jaxpr, numConsts: captures.length + numConsts, numCarry: numCarry + 1 }
      return bind('scan', params, [...captures, ...inputs.slice(0, numConsts), code, ...inputs.slice(numConsts)])
    }
    case 'while': {
      const { condConsts, bodyConsts } = op.params
      const [cond, body] = op.params.jaxprs as readonly [Jaxpr, Jaxpr]
      const { jaxpr, captures } = looked(body, bodyConsts)
      const test: Jaxpr = { ...cond, inputs: [...cond.inputs.slice(0, condConsts), variable(CODE), ...cond.inputs.slice(condConsts)] }
      const [cc, bc, carry] = grouped(inputs, [condConsts, bodyConsts])
      const params = { jaxprs: [test, jaxpr], condConsts, bodyConsts: captures.length + bodyConsts }
      return bind('while', params, [...cc, ...captures, ...bc, code, ...carry])
    }
    case 'cond': {
      const { jaxprs, captures } = joined(op.params.jaxprs.map((jaxpr) => looked(jaxpr, 0)))
      return bind('cond', { jaxprs }, [inputs[0]!, ...captures, code, ...inputs.slice(1)])
    }
    default:
      return null
  }
}

const any = (x: NdArray): NdArray => c.reduceOr(x, c.range(x.ndim))
const or = (flags: readonly NdArray[]): NdArray | null => (flags.length === 0 ? null : flags.reduce((a, b) => c.or(a, b)))
const isZero = (x: NdArray): NdArray => c.eq(x, c.lit(x, 0))
const outside = (index: NdArray, low: number, high: number): NdArray =>
  any(c.or(c.lt(index, c.lit(index, low)), c.gt(index, c.lit(index, high))))

/** Whether an equation has a fault of the kind: a bool scalar, or null where it can't have one. */
const faults: { readonly [K in CheckKind]: (eqn: Eqn, inputs: readonly NdArray[], outs: readonly NdArray[]) => NdArray | null } = {
  nan: (_eqn, _inputs, outs) => or(outs.filter((y) => isFloat(y.dtype)).map((y) => any(c.ne(y, y)))),
  div: ({ op }, inputs) => (op.name === 'div' || op.name === 'rem' ? any(isZero(inputs[1]!)) : null),
  index: ({ op }, inputs) => {
    const [x] = inputs
    switch (op.name) {
      case 'gather':
      case 'scatter': {
        const indices = inputs.slice(op.name === 'gather' ? 1 : 2)
        return or(indices.map((index, i) => outside(index, 0, x!.shape[op.params.axes[i]!]! - 1)))
      }
      case 'dynamicSlice':
        return or(inputs.slice(1).map((start, d) => outside(start, -x!.shape[d]!, x!.shape[d]! - op.params.sliceSizes[d]!)))
      case 'dynamicUpdateSlice':
        return or(inputs.slice(2).map((start, d) => outside(start, -x!.shape[d]!, x!.shape[d]! - inputs[1]!.shape[d]!)))
      default:
        return null
    }
  },
}
