/** callback: a function of the host's in the middle of a program. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import { aval, sizeOf } from '../src/core/aval.ts'
import { type HostFunction, hostFunction } from '../src/core/callbacks.ts'
import { broadcastInDim, range } from '../src/core/constructors.ts'
import { typedArrayOf, computedIn } from '../src/core/dtype.ts'
import { CotangentError } from '../src/core/errors.ts'
import * as g from '../src/core/graph.ts'
import type { HostCall } from '../src/core/kernel.ts'
import type { OpName, OpParams } from '../src/core/ops.ts'
import { Ref } from '../src/core/ref.ts'
import type { Rules } from '../src/core/rules.ts'
import { bind } from '../src/core/trace.ts'
import { batched, dtypes, inFront, shapes as refusedShapes } from './families.ts'

type Params = OpParams['callback']
const bindIt = (params: Params, xs: Parameters<typeof bind>[2]) => bind('callback', params, xs, params.debug ? ['debug'] : [])

/** For each example one call. */
const oneByOne =
  (one: HostFunction, { dtypes: kinds, debug }: Params, size: number, isBatched: readonly boolean[]): HostFunction =>
  (inputs, shapes) => {
    const outs = shapes.map((shape, k) => new (typedArrayOf(computedIn(kinds[k]!)))(sizeOf(shape)))
    const each = debug ? shapes : shapes.map((shape) => shape.slice(1))
    for (let i = 0; i < size; i++) {
      const own = inputs.map(({ data, shape }, k) => {
        if (!isBatched[k]) return { data, shape }
        const n = data.length / size
        return { data: data.slice(i * n, (i + 1) * n), shape: shape.slice(1) }
      })
      one(own, each).forEach((y, k) => outs[k]!.set(y, debug ? 0 : i * y.length))
    }
    return outs
  }

/** Made once for a function, a size and what is batched. */
const batches = new WeakMap<HostFunction, Map<string, HostFunction>>()
const inTurn = (params: Params, size: number, isBatched: readonly boolean[]): Ref => {
  const one = hostFunction(params.call)
  const made = batches.get(one) ?? new Map<string, HostFunction>()
  batches.set(one, made)
  const key = JSON.stringify([size, isBatched, params.dtypes, params.debug])
  const whole = made.get(key) ?? oneByOne(one, params, size, isBatched)
  made.set(key, whole)
  return Ref.of(whole)
}

const callback: Rules<'callback'> = {
  abstractEval: (avals, { shapes, dtypes: kinds }) =>
    avals.some((a) => a.dtype === 'key') || kinds.includes('key')
      ? dtypes('a callback takes and gives no keys: pass numbers drawn with random.*')
      : shapes.length === kinds.length
        ? E.right(shapes.map((shape, i) => aval(shape, kinds[i]!)))
        : refusedShapes('a shape and a dtype are needed for each result'),
  jvp: (xs, ts, params) => {
    if (!params.debug && ts.some(O.isSome))
      throw new CotangentError(
        'pureCallback has no derivative of its own: give it one with customJvp or customVjp, or stop gradients before it',
      )
    const outs = bindIt(params, xs)
    return { outs, tangents: outs.map(() => O.none) }
  },
  transpose: 'notLinear',
  batch: (xs, dims, size, params) => {
    const isBatched = dims.map(O.isSome)
    if (params.batch === 'sequential') {
      const call = inTurn(params, size, isBatched)
      const moved = xs.map((x, i) => (isBatched[i] ? inFront(x, dims[i]!, size) : x))
      const shapes = params.debug ? params.shapes : params.shapes.map((shape) => [size, ...shape])
      const outs = bindIt({ ...params, call, shapes }, moved)
      return params.debug ? { outs, dims: outs.map(() => O.none) } : batched(outs)
    }
    const moved = xs.map(
      (x, i) =>
      isBatched[i] || params.batch === 'broadcastAll'
        ? inFront(x, dims[i]!, size)
        : broadcastInDim(x, [1, ...x.shape], range(x.ndim).map((d) => d + 1)), // prettier-ignore
    )
    return batched(bindIt({ ...params, shapes: params.shapes.map((shape) => [size, ...shape]) }, moved))
  },
  lower: (xs, { call, shapes, dtypes: kinds, debug }, lowering) => {
    const outs = shapes.map((shape, i) => ({ shape, dtype: kinds[i]! }))
    const kernel: HostCall = {
      kind: 'hostCall',
      call,
      inputs: xs.length,
      shapes: [...xs, ...outs].map(({ shape }) => shape),
      args: [...xs, ...outs].map(({ dtype }) => dtype),
    }
    const parts = g.special(kernel, xs, outs)
    if (debug) lowering.effects.push(...parts)
    return parts
  },
}

export const callbackRules = { callback } satisfies { readonly [K in OpName]?: Rules<K> }
