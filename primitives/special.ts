/** Special functions and random bits: rules that come with the functions that make their ops, whole, so that vmap needs to bring none. */
import type { NdArray } from '../src/core/array.ts'
import { abs, add, div, exp, lit, mul, neg } from '../src/core/constructors.ts'
import { isHalf } from '../src/core/dtype.ts'
import * as g from '../src/core/graph.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules, Unbatched } from '../src/core/rules.ts'
import { elementwise, square, unary } from './elementwise.ts'
import { dtypes, elementwiseBatch } from './families.ts'
import { keyRules } from './keys.ts'

const sqrtPi = 2 / Math.sqrt(Math.PI)

const bell = (x: NdArray): NdArray => mul(lit(x, sqrtPi), exp(neg(square(x))))
const erf = unary('float', (d, [x]) => mul(d, bell(x!)))
const erfc = unary('float', (d, [x]) => neg(mul(d, bell(x!))))
const erfInv = unary('float', (d, _, y) => mul(d, mul(lit(y, 1 / sqrtPi), exp(square(y)))))
// e / (1 + e)² with e = e^-|x|: y (1 - y) has no digits where y is near 1.
const logistic = unary('float', (d, [x]) => {
  const e = exp(neg(abs(x!)))
  return mul(d, div(e, square(add(e, lit(e, 1)))))
})
const after = elementwise('nextafter', { takes: 'float' })
// The next float32 isn't the next float of 16 bits.
const nextafter: Unbatched<'nextafter'> = {
  ...after,
  abstractEval: (avals, p) =>
    avals.some((a) => isHalf(a.dtype)) ? dtypes('float32 or float64 is needed: convert with astype') : after.abstractEval(avals, p),
}
const threefry = elementwise('threefry', {
  takes: 'words',
  lower: (xs, { word }) => g.map(word === 0 ? 'threefry0' : 'threefry1', 'uint32', ...xs),
})

const whole = <K extends OpName>(name: K, rules: Unbatched<K>): Rules<K> => ({ ...rules, batch: elementwiseBatch(name) })

export const specialRules = {
  ...keyRules,
  erf: whole('erf', elementwise('erf', erf)),
  erfc: whole('erfc', elementwise('erfc', erfc)),
  erfInv: whole('erfInv', elementwise('erfInv', erfInv)),
  logistic: whole('logistic', elementwise('logistic', logistic)),
  nextafter: whole('nextafter', nextafter),
  threefry: whole('threefry', threefry),
} satisfies { readonly [K in OpName]?: Rules<K> }
