/** Looking at values while a program runs. */
import { Kept } from '../../transforms/kept.ts'
import { called, flattenArrays } from '../../transforms/leaves.ts'
import { aval } from '../core/aval.ts'
import { CotangentError } from '../core/errors.ts'
import { unflatten } from '../tree.ts'
import { callHost, hostArray } from './host.ts'

const NOTHING = [aval([], 'int32')]
const observed = <A extends readonly unknown[]>(what: string, f: (...args: A) => unknown, args: A): void => {
  const given = flattenArrays(args, what)
  const { def } = given
  callHost(
    f,
    { what, args: given, out: { kind: 'leaf' }, outs: NOTHING },
    (dtypes) => (inputs) => {
      f(...(unflatten(def, inputs.map((x, i) => hostArray(x, dtypes[i]!))) as A)) // prettier-ignore
      return [new Int32Array(1)]
    },
    { batch: 'sequential', debug: true },
  )
}

/**
 * Calls f with the values of its arguments, trees of arrays, each time that the program gets there: in the program's order, under jit, grad, in loops and
 * branches, and under vmap for each example. Arrays that f gets are on the host. As `jax.debug.callback`.
 *
 * @throws CallbackError where f throws
 * @example const seen: number[] = []
 * jit((x: NdArray) => { debug.callback((y: NdArray) => seen.push(y.item()), x); return x })(np.array(3))
 * seen // [3]
 */
export const callback = <A extends readonly unknown[]>(f: (...args: NoInfer<A>) => unknown, ...args: A): void => {
  observed(called('debug.callback', f), f, args)
}

/**
 * Prints values when the program gets there: each `{}` of the text is the next argument, a tree of arrays. As `jax.debug.print`.
 *
 * @throws CotangentError where there aren't as many `{}` as arguments
 * @example jit((x: NdArray) => { debug.print('x is {}', x); return x })(np.array(3)) // 3
 */
export const print = (format: string, ...args: readonly unknown[]): void => {
  const texts = typeof format === 'string' ? format.split('{}') : []
  if (texts.length !== args.length + 1)
    throw new CotangentError(`debug.print(${JSON.stringify(format)}): ${Math.max(0, texts.length - 1)} {} for ${args.length} arguments`)
  const shown = printers.of(format, () => (...values) => {
    console.log(texts.map((text, i) => text + (i < values.length ? show(values[i]) : '')).join(''))
  })
  observed('debug.print', shown, args)
}
const show = (value: unknown): string =>
  JSON.stringify(value, (_key, x: unknown) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x))
/** By format, so that a print in a loop is one program. */
const printers = new Kept<string, (...values: readonly unknown[]) => void>((a, b) => a === b)
