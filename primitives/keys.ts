/** Keys of random numbers, as arrays. */
import { aval } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { batched, dtypes, inFront, noTangent, one } from './families.ts'

const wordsInFront =
  (name: 'randomWrap' | 'randomUnwrap'): Rules<typeof name>['batch'] =>
  ([x], [d], size) =>
    batched(bind(name, {}, [inFront(x!, d!, size)]))

/** A key array is, on the device, its words along one more last axis: wrapping and unwrapping move nothing. */
const randomWrap: Rules<'randomWrap'> = {
  abstractEval: ([x]) =>
    x!.dtype === 'uint32' && x!.shape.at(-1) === 2
      ? one(aval(x!.shape.slice(0, -1), 'key'))
      : dtypes('needs uint32 words along a last axis of 2'),
  jvp: ([x]) => noTangent(c.randomWrap(x!)),
  transpose: 'notLinear',
  batch: wordsInFront('randomWrap'),
  lower: ([x]) => [x!],
}
const randomUnwrap: Rules<'randomUnwrap'> = {
  abstractEval: ([x]) => (x!.dtype === 'key' ? one(aval([...x!.shape, 2], 'uint32')) : dtypes('needs a key: make one with random.key')),
  jvp: ([x]) => noTangent(c.randomUnwrap(x!)),
  transpose: 'notLinear',
  batch: wordsInFront('randomUnwrap'),
  lower: ([x]) => [x!],
}

export const keyRules = { randomWrap, randomUnwrap } satisfies { readonly [K in OpName]?: Rules<K> }
