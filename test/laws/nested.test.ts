/**
 * Transforms of transforms, to depth four: stacks of jit, checkpoint, vmap, scan, cond, custom rules, grad, jvp and linearize around generated programs
 * give what the same stacks give that are written out: loops in JavaScript, and derivatives the other way round.
 */
import { expect } from 'vitest'
import { checkJaxpr } from '../../src/core/check.ts'
import { add, convertElementType, full, mul, range, reduceSum, select, sin, zerosLike } from '../../src/core/constructors.ts'
import { isFloat } from '../../src/core/dtype.ts'
import type { Jaxpr } from '../../src/core/jaxpr.ts'
import { evalJaxpr, trace } from '../../src/core/trace.ts'
import { checkpoint, customJvp, grad, jit, jvp, lax, linearize, type NdArray, np, vjp, vmap } from '../../src/index.ts'
import type { Choices } from '../../src/testing/choices.ts'
import { generators, smoothNames } from '../../src/testing/generators.ts'
import { drawProgram, type Program, smoothSizes } from '../../src/testing/programs.ts'
import { agree, law, near, run } from './harness.ts'

/** Of floats in float64, to as many of the same shapes: so that stacks fit. */
type Fn = (xs: readonly NdArray[]) => readonly NdArray[]
interface Transform {
  readonly how: (f: Fn) => Fn
  /** The same, without the transform, or with another. */
  readonly plain: (f: Fn) => Fn
  readonly derivative?: boolean
  /** Written out element by element. */
  readonly byElement?: boolean
}
const half = (x: NdArray): NdArray => mul(x, full([], 0.5, x.dtype))
const total = (ys: readonly NdArray[]): NdArray => ys.map((y) => reduceSum(y, range(y.ndim))).reduce(add)
const sums = (all: readonly (readonly NdArray[])[]): readonly NdArray[] => all.reduce((a, b) => a.map((x, i) => add(x, b[i]!)))
const spread = (f: Fn) => (...xs: readonly NdArray[]): readonly NdArray[] => f(xs) // prettier-ignore
/** Element by element, forward. */
const gradients =
  (f: Fn): Fn =>
  (xs) =>
    xs.map((x, k) => {
      const parts = range(x.size).map((at) => {
        const one = np.reshape(np.equal(np.arange(x.size), at), x.shape).astype('float64')
        const ts = xs.map((y, i) => (i === k ? one : zerosLike(y.aval)))
        return mul(one, total(jvp(spread(f), xs, ts)[1]))
      })
      return parts.length === 0 ? zerosLike(x.aval) : parts.reduce(add)
    })
const pushed = (f: Fn, xs: readonly NdArray[]): readonly NdArray[] => jvp(spread(f), xs, xs.map(sin))[1]

const transforms: Readonly<Record<string, Transform>> = {
  jit: { how: (f) => (xs) => jit(spread(f))(...xs), plain: (f) => f },
  checkpoint: { how: (f) => (xs) => checkpoint(spread(f))(...xs), plain: (f) => f },
  vmap: {
    how: (f) => (xs) => vmap(spread(f))(...xs.map((x) => np.stack([x, half(x)]))).map((y) => reduceSum(y, [0])),
    plain: (f) => (xs) => sums([f(xs), f(xs.map(half))]),
  },
  scan: {
    how: (f) => (xs) => lax.scan((sum, k: NdArray) => [sums([sum, f(xs.map((x) => mul(x, k)))]), null], xs.map((x) => zerosLike(x.aval)) as readonly NdArray[], np.sub(1, np.arange(2).astype('float64').mul(0.5)))[0] as readonly NdArray[], // prettier-ignore
    plain: (f) => (xs) => sums([f(xs), f(xs.map(half))]),
  },
  cond: {
    how: (f) => (xs) => lax.cond(total(xs).less(0.1), (...ys: readonly NdArray[]) => f(ys), (...ys: readonly NdArray[]) => f(ys.map(half)), ...xs), // prettier-ignore
    plain: (f) => (xs) => {
      const [yes, no] = [f(xs), f(xs.map(half))]
      const holds = total(xs).less(0.1)
      return yes.map((y, i) => select(np.broadcastTo(holds, y.shape), y, no[i]!))
    },
  },
  customJvp: {
    how: (f) => (xs) => customJvp(spread(f), (ys, ts) => jvp(spread(f), ys as readonly NdArray[], ts as readonly NdArray[]))(...xs),
    plain: (f) => f,
  },
  grad: { how: (f) => (xs) => (grad as (g: unknown, o: object) => (...ys: readonly NdArray[]) => readonly NdArray[])((...ys: readonly NdArray[]) => total(f(ys)), { argnums: xs.map((_, i) => i) })(...xs), plain: gradients, derivative: true, byElement: true }, // prettier-ignore
  jvp: { how: (f) => (xs) => pushed(f, xs), plain: (f) => (xs) => linearize(spread(f), ...xs)[1](...xs.map(sin)), derivative: true },
  linearize: { how: (f) => (xs) => linearize(spread(f), ...xs)[1](...xs.map(sin)), plain: (f) => (xs) => pushed(f, xs), derivative: true },
  vjp: { how: (f) => (xs) => vjp(spread(f), ...xs)[1](xs.map(np.onesLike)), plain: gradients, derivative: true, byElement: true },
}
const names = Object.keys(transforms)

interface Stack extends Program {
  readonly around: readonly string[]
  readonly program: Jaxpr
}
/** How often each way: the derivatives that are written out take a pass for each element. */
const allowed = (elements: number): number => (elements <= 5 ? 2 : elements <= 12 ? 1 : 0)
/** A program, and one to four transforms around it, of which at most two are derivatives. */
const drawn = (c: Choices): Stack => {
  const { jaxpr: program, inputs } = drawProgram(c, generators, { ops: smoothNames, steps: 3, smooth: true })
  const around: string[] = []
  const elements = inputs.reduce((n, x) => n + (isFloat(x.aval.dtype) ? x.data.length : 0), 0)
  const count = (kind: 'derivative' | 'byElement'): number => around.filter((name) => transforms[name]![kind]).length
  for (let depth = c.between(1, 4); depth > 0; depth--) {
    const name = c.pick(names)
    const { derivative = false, byElement = false } = transforms[name]!
    if (!(derivative && count('derivative') === 2) && !(byElement && count('byElement') === allowed(elements))) around.push(name)
  }
  return { program, inputs, around, jaxpr: program }
}

/** The program's results, brought to as many floats of the inputs' shapes. */
const base =
  (program: Jaxpr, others: ReadonlyMap<number, NdArray>): Fn =>
  (xs) => {
    let next = 0
    const outs = evalJaxpr(
      program,
      program.inputs.map((_, i) => others.get(i) ?? xs[next++]!),
    )
    const sum = outs.filter((y) => isFloat(y.dtype)).map((y) => reduceSum(convertElementType(y, 'float64'), range(y.ndim)))
    const all = sum.length === 0 ? full([], 0, 'float64') : sum.reduce(add)
    return xs.map((x) => mul(sin(x), np.broadcastTo(all, x.shape)))
  }

const asJaxpr = ({ program, inputs, around }: Stack, form: 'how' | 'plain'): Jaxpr => {
  const { jaxpr, captures } = trace(
    program.inputs.map((v) => v.aval),
    (args) => {
      const floats = inputs.map((x) => isFloat(x.aval.dtype))
      const others = new Map(args.flatMap((x, i) => (floats[i] ? [] : [[i, x] as const])))
      const f = around.reduce<Fn>((g, name) => transforms[name]![form](g), base(program, others))
      return f(args.filter((_, i) => floats[i]))
    },
    'law',
    { kind: 'jit' },
  )
  expect(captures).toEqual([])
  return jaxpr
}

law(
  'stacks of transforms to depth four are what is written out, on both devices',
  150,
  drawn,
  (stack) => {
    if (!stack.inputs.some((x) => isFloat(x.aval.dtype))) return
    const [jaxpr, plain] = [asJaxpr(stack, 'how'), asJaxpr(stack, 'plain')]
    checkJaxpr(jaxpr)
    expect(jaxpr.inputs.length).toBe(stack.inputs.length)
    const expected = run('reference', plain, stack.inputs)
    for (const device of ['reference', 'wasm'] as const) {
      const problem = near(run(device, jaxpr, stack.inputs), expected)
      agree(problem === null ? null : `${stack.around.join(' of ')}: ${problem}`, stack.program, stack.inputs)
    }
  },
  { ...smoothSizes, maxSize: 4 },
  10_000,
)
