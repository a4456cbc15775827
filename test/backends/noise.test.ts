/** What tells right answers from wrong ones, held to both: any order of a sum or a product is right, and a kernel that leaves out a term isn't. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { isFloat, type TypedArray } from '../../src/core/dtype.ts'
import type { Expr, Nest, ReduceOp } from '../../src/core/kernel.ts'
import { tries } from '../effort.ts'
import { choiceLists, fromList } from './choices.ts'
import { access, apply, type Arg, constant, load, reduce, runKernel } from './harness.ts'
import { writtenPlaces } from './kernels.ts'
import { nest } from './nests.ts'
import { difference, disturbed, variants } from './noise.ts'

const oracle = reference()
const disturbances = (kernel: Nest, args: readonly Arg[]): (readonly TypedArray[])[] =>
  Array.from({ length: variants }, (_, v) => runKernel(oracle, disturbed(kernel, v), args))

const whole = (op: ReduceOp, n: number): Nest => ({
  kind: 'nest',
  dims: [1, n],
  inner: 1,
  args: ['float32', 'float32'],
  outputs: [{ arg: 1, expr: reduce(op, load('float32', 0, [n, 1])), access: access([1, 0]), rowwise: true }],
})
/** From 2^-149 to 2^127, and what is special. */
const number = fc.oneof(
  fc.tuple(fc.integer({ min: -149, max: 127 }), fc.integer({ min: -255, max: 255 })).map(([e, m]) => Math.fround((m / 256) * 2 ** e)),
  fc.constantFrom(0, 1, -1, 3e38, -3e38, 1e-38, 2 ** -149, Infinity, -Infinity, NaN),
)
/** Two neighbours of what is left become one, as `picks` says, until one is left. */
const folded = (op: 'sum' | 'prod', xs: readonly number[], picks: readonly number[]): number => {
  const rest = [...xs]
  for (let i = 0; rest.length > 1; i++) {
    const [at, other] = [picks[i % picks.length]!, picks[(i * 7 + 3) % picks.length]!]
    const [x] = rest.splice(at % rest.length, 1) as [number]
    const to = other % rest.length
    rest[to] = Math.fround(op === 'sum' ? x + rest[to]! : x * rest[to]!)
  }
  return rest[0]!
}

test.each(['sum', 'prod'] as const)(
  'a %s in any order is right, though its parts overflow or underflow in one and not in another',
  (op) => {
    const picks = fc.array(fc.nat(), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 40 }), picks, (xs, picks) => {
        const [kernel, args] = [whole(op, xs.length), [Float32Array.from(xs), 1]]
        const [expected] = runKernel(oracle, kernel, args)
        const others = disturbances(kernel, args).map(([run]) => run!)
        expect(difference(Float32Array.of(folded(op, xs, picks)), expected!, others, 'float32')).toBeNull()
      }),
      { numRuns: tries(1000) },
    )
  },
)

/** Leaves the first term out of every sum and product. */
const spoiled = (kernel: Nest): Nest => {
  const at = { strides: kernel.dims.map((_, d) => Number(d >= kernel.dims.length - kernel.inner)), offset: 0 }
  const first = apply('eq', 'bool', { kind: 'index', dtype: 'int32', affine: at }, constant('int32', 0))
  const known = new Map<Expr, Expr>()
  const visit = (expr: Expr): Expr => {
    const made = known.get(expr) ?? rewrite(expr)
    known.set(expr, made)
    return made
  }
  const rewrite = (expr: Expr): Expr => {
    if (expr.kind === 'apply') return { ...expr, args: expr.args.map(visit) }
    if (expr.kind === 'gather') return { ...expr, index: visit(expr.index) }
    if (expr.kind !== 'reduce') return expr
    const [arg, { dtype }] = [visit(expr.arg), expr]
    if (!isFloat(dtype) || expr.op === 'max' || expr.op === 'min') return { ...expr, arg }
    return { ...expr, arg: apply('select', dtype, first, constant(dtype, Number(expr.op === 'prod')), arg) }
  }
  return { ...kernel, outputs: kernel.outputs.map((output) => ({ ...output, expr: visit(output.expr) })) }
}

test('a kernel whose sums and products leave out a term is found, where that changes a number by a thousandth', () => {
  let [changed, found] = [0, 0]
  fc.assert(
    fc.property(choiceLists, (list) => {
      const choices = fromList(list)
      const { kernel, sizes, outputsFrom } = nest(choices, ['float32', 'float64', 'int32', 'bool'])
      const args = sizes.map((size, arg) => (arg < outputsFrom ? choices.data(kernel.args[arg]!, size) : size))
      const [right, wrong, others] = [runKernel(oracle, kernel, args), runKernel(oracle, spoiled(kernel), args), disturbances(kernel, args)]
      kernel.outputs.forEach(({ arg, access, rowwise }, i) => {
        const [x, y, dtype] = [wrong[i]!, right[i]!, kernel.args[arg]!]
        const places = writtenPlaces(access, kernel.dims.slice(0, kernel.dims.length - (rowwise ? kernel.inner : 0)))
        const visible = [...places].filter((at) => !Object.is(x[at], y[at]) && !(Math.abs(x[at]! - y[at]!) < 1e-3 * Math.abs(y[at]!)))
        if (visible.length === 0) return
        changed++
        if (difference(x, y, others.map((run) => run[i]!), dtype, visible) !== null) found++ // prettier-ignore
      })
    }),
    { numRuns: tries(1000) },
  )
  expect(changed).toBeGreaterThan(tries(10))
  expect(found / changed).toBeGreaterThan(0.9) // the rest stands where an order may overflow
})
