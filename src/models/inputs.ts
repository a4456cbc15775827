/** What a model is called with: arrays of the shapes that it expects, told by their names. */
import type { NdArray } from '../core/array.ts'
import { eqShape, showAval } from '../core/aval.ts'
import { isInt } from '../core/dtype.ts'
import { DTypeError, ShapeError } from '../core/errors.ts'

export const mustBe = (is: boolean, name: string, x: NdArray | undefined, wanted: string): void => {
  if (!is) throw new ShapeError(`model.apply: ${name} ${x === undefined ? 'are missing' : showAval(x.aval)} where ${wanted} was expected`)
}
/** Ids are whole numbers of two axes. */
export const mustBeTokens = (name: string, x: NdArray | undefined, axes: string): void => {
  mustBe(x?.ndim === 2, name, x, `int32${axes}`)
  if (!isInt(x!.dtype))
    throw new DTypeError(`model.apply: ${name} ${showAval(x!.aval)} where int32${axes} was expected: make them with { dtype: 'int32' }`)
}
/** Where there is one, it is of this shape. */
export const mustFit = (name: string, x: NdArray | undefined, shape: readonly number[]): void => {
  if (x !== undefined) mustBe(eqShape(x.shape, shape), name, x, `[${shape.join(',')}]`)
}
