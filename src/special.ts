/** Special functions and random bits: their rules and their kernels' code come with them, so that a page that calls none downloads neither. */
import { bringSpecial } from '../backends/bring.ts'
import { specialRules } from '../primitives/special.ts'
import { bring } from '../primitives/table.ts'
import type { NdArray } from './core/array.ts'
import { bind } from './core/trace.ts'

/** A function that makes ops of this family. */
export const bringing =
  <A extends readonly unknown[], R>(f: (...args: A) => R) =>
  (...args: A): R => {
    bring(specialRules)
    bringSpecial()
    return f(...args)
  }
export const erf = bringing((x: NdArray) => bind('erf', {}, [x])[0]!)
export const erfc = bringing((x: NdArray) => bind('erfc', {}, [x])[0]!)
export const erfInv = bringing((x: NdArray) => bind('erfInv', {}, [x])[0]!)
export const logistic = bringing((x: NdArray) => bind('logistic', {}, [x])[0]!)
export const nextafter = bringing((x: NdArray, y: NdArray) => bind('nextafter', {}, [x, y])[0]!)
/** A word of threefry-2x32's block. */
export const threefry = bringing(
  (word: 0 | 1, k0: NdArray, k1: NdArray, x0: NdArray, x1: NdArray) => bind('threefry', { word }, [k0, k1, x0, x1])[0]!,
)
