/** Keys of random numbers, as arrays. */
import { aval } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import type { Eqn } from '../src/core/jaxpr.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { batched, dtypes, inFront, noTangent, one } from './families.ts'

/** Nobody has a key without these rules, so they say too what becomes of the others where they make keys. */
export type KeyRules = Rules<'randomWrap'> & { readonly overWords: (eqn: Eqn) => OpParams[OpName] }

/** The params of an op that moves keys, for the words of which it moves. */
const overWords = (eqn: Eqn): OpParams[OpName] => {
  const { op } = eqn
  const rank = eqn.inputs[0]?.aval.shape.length ?? 0
  switch (op.name) {
    case 'broadcastInDim':
      return { shape: [...op.params.shape, 2], broadcastDimensions: [...op.params.broadcastDimensions, op.params.shape.length] }
    case 'reshape':
      return { shape: [...op.params.shape, 2] }
    case 'transpose':
      return { permutation: [...op.params.permutation, rank] }
    case 'slice':
      return {
        startIndices: [...op.params.startIndices, 0],
        limitIndices: [...op.params.limitIndices, 2],
        strides: [...op.params.strides, 1],
      }
    default:
      return op.params
  }
}

const wordsInFront =
  (name: 'randomWrap' | 'randomUnwrap'): Rules<typeof name>['batch'] =>
  ([x], [d], size) =>
    batched(bind(name, {}, [inFront(x!, d!, size)]))

/** A key array is, on the device, its words along one more last axis: wrapping and unwrapping move nothing. */
const randomWrap: KeyRules = {
  abstractEval: ([x]) =>
    x!.dtype === 'uint32' && x!.shape.at(-1) === 2
      ? one(aval(x!.shape.slice(0, -1), 'key'))
      : dtypes('needs uint32 words along a last axis of 2'),
  jvp: ([x]) => noTangent(c.randomWrap(x!)),
  transpose: 'notLinear',
  batch: wordsInFront('randomWrap'),
  lower: ([x]) => [x!],
  overWords,
}
const randomUnwrap: Rules<'randomUnwrap'> = {
  abstractEval: ([x]) => (x!.dtype === 'key' ? one(aval([...x!.shape, 2], 'uint32')) : dtypes('needs a key: make one with random.key')),
  jvp: ([x]) => noTangent(c.randomUnwrap(x!)),
  transpose: 'notLinear',
  batch: wordsInFront('randomUnwrap'),
  lower: ([x]) => [x!],
}

export const keyRules = { randomWrap, randomUnwrap } satisfies { readonly [K in OpName]?: Rules<K> }
