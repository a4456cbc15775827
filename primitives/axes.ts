/** What speaks of a vmap's axis by name. The vmap of that name turns each into arithmetic over its batch axis; another one passes it on. */
import * as O from '../src/core/option.ts'
import type { NdArray } from '../src/core/array.ts'
import { aval } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isNumeric } from '../src/core/dtype.ts'
import { TracerError } from '../src/core/errors.ts'
import type { OpName } from '../src/core/ops.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { batched, dtypes, linearOp, one } from './families.ts'
import { bring } from './table.ts'

const unbound = (what: string, axisName: string): never => {
  throw new TracerError(`${what}: the axis ${JSON.stringify(axisName)} has no vmap around it: apply vmap with that axisName first`)
}

const psum: Rules<'psum'> = {
  abstractEval: ([x]) => (isNumeric(x!.dtype) ? one(x!) : dtypes('a number dtype is needed: convert with astype')),
  jvp: linearOp('psum'),
  transpose: (cts, _xs, { axisName }) => [O.map((ct: NdArray) => bind('psum', { axisName }, [ct])[0]!)(cts[0]!)],
  batch: ([x], [d], size, { axisName }, transforms) => {
    if (transforms.axisName !== axisName) return { outs: bind('psum', { axisName }, [x!]), dims: [d!] }
    return { outs: [O.isSome(d!) ? c.reduceSum(x!, [d.value]) : c.mul(x!, c.lit(x!, size))], dims: [O.none] }
  },
  lower: (_xs, { axisName }) => unbound('psum', axisName),
  ulp: 0,
}

const axisIndex: Rules<'axisIndex'> = {
  abstractEval: () => one(aval([], 'int32')),
  jvp: (_xs, _ts, { axisName }) => ({ outs: bind('axisIndex', { axisName }, []), tangents: [O.none] }),
  transpose: 'notLinear',
  batch: (_xs, _dims, size, { axisName }, transforms) =>
    transforms.axisName === axisName
      ? batched([c.iota([size], 'int32', 0)])
      : { outs: bind('axisIndex', { axisName }, []), dims: [O.none] },
  lower: (_xs, { axisName }) => unbound('axisIndex', axisName),
  ulp: 0,
}

export const axisRules = { psum, axisIndex } satisfies { readonly [K in OpName]?: Rules<K> }

export const sumOverAxis = (x: NdArray, axisName: string): NdArray => {
  bring(axisRules)
  return bind('psum', { axisName }, [x])[0]!
}
export const placeAlongAxis = (axisName: string): NdArray => {
  bring(axisRules)
  return bind('axisIndex', { axisName }, [])[0]!
}
