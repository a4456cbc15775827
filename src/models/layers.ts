/** Layer after layer, each written out, or in loops over those that repeat: with equal values, and a program as long as what repeats. */
import type { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import { range, reshape } from '../core/constructors.ts'
import { ArgumentError } from '../core/errors.ts'
import { flag, type Schema } from '../core/options.ts'
import { scan } from '../lax/loops.ts'
import * as np from '../numpy/index.ts'
import * as tree from '../tree.ts'
import { checkpoint } from '../../transforms/checkpoint.ts'
import { evalShape } from '../../transforms/jaxprs.ts'

export interface LayersOptions {
  /** What blocks compute is computed again for the gradient instead of kept. */
  readonly checkpoint?: boolean
  /** Layers that repeat, one by one or in groups, run as a loop: a program as long as one of them, for a copy of their parameters. */
  readonly scan?: boolean
}
export const layersOptions: Schema<LayersOptions> = { checkpoint: flag, scan: flag }

/** What a model was given: parameters of so many layers, and options that go together. */
export const checkCall = (
  stacks: readonly (readonly [params: { readonly layers?: unknown } | undefined, layers: number])[],
  { cache, ...options }: LayersOptions & { readonly cache?: unknown },
): void => {
  if (stacks.some(([own, n]) => !Array.isArray(own?.layers) || own.layers.length !== n))
    throw new ArgumentError(
      `model.apply: the parameters of ${stacks.map(([, n]) => n).join(' and ')} layers are needed, as model.init makes them`,
    )
  if (cache === undefined) return
  if (options.checkpoint === true)
    throw new ArgumentError('model.apply: a cache goes on with a text, and checkpoint is for the gradient of a whole one: leave one out')
  if (options.scan === true)
    throw new ArgumentError('model.apply: a cache is written where it lies, layer by layer, and scan would copy it: leave one out')
}

/** [B,T,D] -> [B,T,D] through all layers: `run` is one, of its switches and parameters. */
export const throughLayers = <L, P>(
  layers: readonly L[],
  params: readonly P[],
  x: NdArray,
  run: (layer: L, p: P, x: NdArray) => NdArray,
  options: LayersOptions,
): NdArray => {
  const one = (i: number, p: P, y: NdArray): NdArray => {
    const own = (q: P, z: NdArray): NdArray => run(layers[i]!, q, z)
    return (options.checkpoint === true ? checkpoint(own) : own)(p, y)
  }
  if (options.scan !== true) return params.reduce((y, p, i) => one(i, p, y), x)
  return groupsOf(alikes(layers, params)).reduce((y, { from, period, times }) => {
    const turn = (z: NdArray, ps: readonly P[]): NdArray => ps.reduce((a, p, j) => one(from + j, p, a), z)
    const at = (t: number): readonly P[] => params.slice(from + t * period, from + (t + 1) * period)
    const on = (z: NdArray, t: number): NdArray => {
      if (t === times) return z
      if (t === times - 1 || widens(turn, z, at(t))) return on(turn(z, at(t)), t + 1)
      const [first, ...others] = range(times - t).map((i) => at(t + i))
      const stacked = tree.map((...xs: NdArray[]) => stack(xs), first!, ...others)
      return scan((w: NdArray, ps: readonly P[]) => [turn(w, ps), null] as const, z, stacked as readonly P[])[0]
    }
    return on(y, 0)
  }, x)
}

/** Whether x comes out of a turn in another dtype, as of wider weights, which a loop's carry can't: from the next turn on it doesn't. */
const widens = <P>(turn: (x: NdArray, ps: readonly P[]) => NdArray, x: NdArray, ps: readonly P[]): boolean =>
  (tree.leaves(ps) as NdArray[]).some(({ dtype }) => dtype !== x.dtype) && evalShape(turn)(x, ps).dtype !== x.dtype

/** Along a new first axis, in two equations however many there are. */
const stack = (xs: readonly NdArray[]): NdArray => {
  const { shape } = xs[0]!
  return shape.length === 0 ? np.stack(xs) : reshape(np.concatenate(xs), [xs.length, ...shape])
}
/** A number for each layer: that of the first that is like it in switches and in its parameters' types. */
const alikes = (layers: readonly unknown[], params: readonly unknown[]): readonly number[] => {
  const types = params.map((p, i) => JSON.stringify([layers[i], (tree.leaves(p) as NdArray[]).map(({ aval }) => showAval(aval))]))
  const alike = (i: number, j: number): boolean =>
    types[i] === types[j] && tree.difference(tree.structure(params[i]), tree.structure(params[j])) === null
  return params.map((_, i) => range(i + 1).find((j) => alike(i, j))!)
}
interface Group {
  readonly from: number
  readonly period: number
  readonly times: number
}
/** From the first on, the group that takes most layers; of those the shortest: a a a b a a a b a a -> (a a a b)², a². */
const groupsOf = (kinds: readonly number[]): readonly Group[] => {
  const groups: Group[] = []
  for (let from = 0; from < kinds.length; from += groups.at(-1)!.period * groups.at(-1)!.times) {
    let best: Group = { from, period: 1, times: 1 }
    for (let period = 1; from + 2 * period <= kinds.length; period++) {
      let length = period
      while (from + length < kinds.length && kinds[from + length] === kinds[from + length - period]) length++
      const times = Math.floor(length / period)
      if (times > 1 && times * period > best.times * best.period) best = { from, period, times }
    }
    groups.push(best)
  }
  return groups
}
