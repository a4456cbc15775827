/** What the methods of an array do: total over their declaration. Installed once, where the package is wired. */
import { nest, NdArray } from './core/array.ts'
import { showAval } from './core/aval.ts'
import { ShapeError } from './core/errors.ts'
import type { MethodTable } from './core/methods.ts'
import * as np from './numpy/index.ts'

const table: MethodTable = {
  add: np.add,
  sub: np.sub,
  mul: np.mul,
  div: np.div,
  pow: np.power,
  neg: np.neg,
  abs: np.abs,
  exp: np.exp,
  log: np.log,
  sqrt: np.sqrt,
  sum: np.sum,
  mean: np.mean,
  max: np.max,
  min: np.min,
  reshape: (x, ...shape) => np.reshape(x, shape),
  transpose: (x, ...permutation) => np.transpose(x, permutation.length > 0 ? permutation : undefined),
  matmul: np.matmul,
  astype: np.astype,
  item: (x) => {
    if (x.size !== 1) throw new ShapeError(`item(${showAval(x.aval)}): one element is needed: use toArray()`)
    return x.concrete('item').dataSync()[0]!
  },
  toArray: (x) => nest(x.concrete('toArray').dataSync(), x.aval.dtype === 'key' ? [...x.shape, 2] : x.shape, x.dtype),
  toTyped: (x) => x.concrete('toTyped').dataSync(),
  dispose: (x) => x.concrete('dispose').dispose(),
}

export const installMethods = (): void => {
  for (const [name, method] of Object.entries(table) as [string, (x: NdArray, ...args: never[]) => unknown][]) {
    if (Object.hasOwn(NdArray.prototype, name)) continue
    Object.defineProperty(NdArray.prototype, name, {
      value(this: NdArray, ...args: never[]) {
        return method(this, ...args)
      },
      configurable: true,
      writable: true,
    })
  }
}
