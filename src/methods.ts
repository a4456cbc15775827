/** What the methods of an array do: total over their declaration. Installed once, where the package is wired. */
import { nest, NdArray } from './core/array.ts'
import { showAval } from './core/aval.ts'
import { ShapeError } from './core/errors.ts'
import type { GetterTable, MethodTable } from './core/methods.ts'
import * as np from './numpy/index.ts'
import { promised, takes } from './core/takes.ts'

/** Methods that are functions of `np` by the same name. */
const names = [
  'add',
  'sub',
  'mul',
  'div',
  'mod',
  'pow',
  'neg',
  'abs',
  'exp',
  'log',
  'sqrt',
  'square',
  'round',
  'clip',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
  'sum',
  'prod',
  'mean',
  'var',
  'std',
  'max',
  'min',
  'any',
  'all',
  'argmax',
  'argmin',
  'cumsum',
  'cumprod',
  'sort',
  'argsort',
  'ravel',
  'swapaxes',
  'squeeze',
  'matmul',
  'dot',
  'take',
  'slice',
  'at',
  'astype',
] as const
const own = Object.fromEntries(names.map((name) => [name, np[name]])) as Pick<typeof np, (typeof names)[number]>

/** Numbers, or one list of them. */
const listOf = (xs: readonly number[] | readonly [readonly number[]]): readonly number[] =>
  xs.length === 1 && typeof xs[0] === 'object' ? xs[0] : (xs as readonly number[])

const methods: MethodTable = {
  ...own,
  reshape: (x, ...shape) => np.reshape(x, listOf(shape)),
  transpose: (x, ...permutation) => np.transpose(x, permutation.length > 0 ? listOf(permutation) : undefined),
  item: takes('item', 1, (x: NdArray) => {
    if (x.size !== 1) throw new ShapeError(`item(${showAval(x.aval)}): one element is needed: use toArray()`)
    return x.concrete('item').dataSync()[0]!
  }),
  toArray: takes('toArray', 1, (x: NdArray) =>
    nest(x.concrete('toArray').dataSync(), x.aval.dtype === 'key' ? [...x.shape, 2] : x.shape, x.dtype),
  ),
  toTyped: takes('toTyped', 1, (x: NdArray) => x.concrete('toTyped').dataSync()),
  data: promised(takes('data', 1, async (x: NdArray) => x.concrete('data').read())),
  dispose: takes('dispose', 1, (x: NdArray) => x.concrete('dispose').dispose()),
  [Symbol.iterator]: (x) => {
    if (x.ndim === 0) throw new ShapeError(`iterating over ${showAval(x.aval)}: a scalar has no axis to go along: use item()`)
    return rows(x)
  },
}
function* rows(x: NdArray): Generator<NdArray, undefined> {
  for (let i = 0; i < x.shape[0]!; i++) yield np.slice(x, i)
}
const getters: GetterTable = { T: (x) => np.transpose(x) }

export const installMethods = (): void => {
  const define = (name: string | symbol, property: PropertyDescriptor): void => {
    if (!Object.hasOwn(NdArray.prototype, name)) Object.defineProperty(NdArray.prototype, name, { ...property, configurable: true })
  }
  for (const name of Reflect.ownKeys(methods) as (keyof MethodTable)[]) {
    const method = methods[name] as (x: NdArray, ...args: never[]) => unknown
    define(name, {
      value(this: NdArray, ...args: never[]) {
        return method(this, ...args)
      },
      writable: true,
    })
  }
  for (const [name, getter] of Object.entries(getters) as [string, (x: NdArray) => unknown][])
    define(name, {
      get(this: NdArray) {
        return getter(this)
      },
    })
}
