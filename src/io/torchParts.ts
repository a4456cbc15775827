/**
 * What PyTorch's modules call their tensors: a part reads those of a module below a name, and writes them. Parts hold parts.
 */
import type { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import { concatenate, range, slice, transpose } from '../core/constructors.ts'
import type { EmbeddingParams, LayerNormParams } from '../nn/layers.ts'
import { denseOf, linearOf, type LinearParams } from '../nn/linear.ts'
import type { AttentionParams } from '../nn/multiHeadAttention.ts'
import type { RecurrentDirection, RecurrentLayer, RecurrentParams } from '../nn/recurrent.ts'
import type { DecoderLayerParams, EncoderLayerParams } from '../nn/transformer.ts'
import { FileError } from './errors.ts'

/** The tensors of a module: which of them were read, and what was wrong. Letters in shapes are sizes, `4H` four times one. */
export interface Reader {
  /** Whether the module has biases: PyTorch's have all or none. */
  readonly biased: boolean
  /** What there is below a name: the rest of each. */
  readonly names: (at: string) => readonly string[]
  readonly take: (name: string, shape: readonly string[]) => NdArray
}
export type Written = Readonly<Record<string, NdArray>>
export interface Part<P> {
  readonly read: (from: Reader, at: string) => P
  readonly write: (p: P, at: string) => Written
}

/** A matrix by rows, PyTorch's way, and the bias. */
const byRows = (p: LinearParams): { readonly weight: NdArray; readonly bias: NdArray | undefined } => {
  const { matrix, byRows: rows, bias } = denseOf('toTorch', linearOf('toTorch', p))
  if (matrix.ndim !== 2) throw new FileError(`toTorch: the weight ${showAval(matrix.aval)} is no matrix`)
  return { weight: rows ? matrix : transpose(matrix, [1, 0]), bias }
}
const named = (weightName: string, biasName: string, out: string, into: string): Part<LinearParams> => ({
  read: (from, at) => ({
    weight: from.take(at + weightName, [out, into]),
    ...(from.biased && { bias: from.take(at + biasName, [out]) }),
  }),
  write: (p, at) => {
    const { weight, bias } = byRows(p)
    return { [at + weightName]: weight, ...(bias && { [at + biasName]: bias }) }
  },
})
export const dense = (out: string, into: string): Part<LinearParams> => named('weight', 'bias', out, into)
export const norm: Part<LayerNormParams> = {
  read: (from, at) => ({ scale: from.take(`${at}weight`, ['E']), ...(from.biased && { bias: from.take(`${at}bias`, ['E']) }) }),
  write: ({ scale, bias }, at) => ({ ...(scale && { [`${at}weight`]: scale }), ...(bias && { [`${at}bias`]: bias }) }),
}
export const embedding: Part<EmbeddingParams> = {
  read: (from, at) => ({ w: from.take(`${at}weight`, ['V', 'E']) }),
  write: ({ w }, at) => ({ [`${at}weight`]: denseOf('toTorch', { matrix: w, byRows: true, bias: undefined }).matrix }),
}

const rowsOf = (x: NdArray, i: number, of: number): NdArray => {
  const [n, ...rest] = [x.shape[0]! / of, ...x.shape.slice(1)] as [number, ...number[]]
  return slice(x, [i * n, ...rest.map(() => 0)], [(i + 1) * n, ...rest])
}
/** q, k and v stand in one matrix where they read one width, and their biases in one array always. */
export const attention: Part<AttentionParams> = {
  read: (from, at) => {
    const apart = ['q', 'k', 'v'].some((name) => from.names(at).includes(`${name}_proj_weight`))
    const whole = apart ? null : from.take(`${at}in_proj_weight`, ['3E', 'E'])
    const bias = from.biased ? from.take(`${at}in_proj_bias`, ['3E']) : null
    const of = (name: 'q' | 'k' | 'v', i: number, into: string): LinearParams => ({
      weight: whole === null ? from.take(`${at}${name}_proj_weight`, ['E', into]) : rowsOf(whole, i, 3),
      ...(bias && { bias: rowsOf(bias, i, 3) }),
    })
    return { q: of('q', 0, 'E'), k: of('k', 1, 'K'), v: of('v', 2, 'V'), out: dense('E', 'E').read(from, `${at}out_proj.`) }
  },
  write: ({ q, k, v, out }, at) => {
    const three = [q, k, v].map(byRows)
    const weights = three.map(({ weight }) => weight)
    const biases = three.flatMap(({ bias }) => (bias === undefined ? [] : [bias]))
    if (biases.length % 3 !== 0)
      throw new FileError(`toTorch: of ${at || 'attention'}'s q, k and v ${biases.length} have a bias: all or none`)
    if (weights.some((w) => w.shape[0] !== weights[0]!.shape[0]))
      throw new FileError(`toTorch: PyTorch's attention has no grouped heads, and ${at || 'this'} has k or v narrower than q`)
    const one = weights.every((w) => w.shape[1] === weights[0]!.shape[1])
    return {
      ...(one
        ? { [`${at}in_proj_weight`]: concatenate(weights, 0) }
        : Object.fromEntries(weights.map((w, i) => [`${at}${'qkv'[i]!}_proj_weight`, w]))),
      ...(biases.length > 0 && { [`${at}in_proj_bias`]: concatenate(biases, 0) }),
      ...dense('E', 'E').write(out, `${at}out_proj.`),
    }
  },
}

/** An object whose parts stand below names of their own. */
export const below = <P extends object>(parts: {
  readonly [K in keyof P]-?: readonly [name: string, part: Part<Exclude<P[K], undefined>>]
}): Part<P> => {
  const all = Object.entries(parts) as readonly (readonly [string, readonly [string, Part<unknown>]])[]
  return {
    read: (from, at) => Object.fromEntries(all.map(([key, [name, part]]) => [key, part.read(from, at + name)])) as P,
    write: (p, at) =>
      Object.assign(
        {},
        ...all.map(([key, [name, part]]) => part.write((p as Readonly<Record<string, unknown>>)[key], at + name)),
      ) as Written,
  }
}
export const encoderLayer = below<EncoderLayerParams>({
  selfAttn: ['self_attn.', attention],
  linear1: ['linear1.', dense('F', 'E')],
  linear2: ['linear2.', dense('E', 'F')],
  norm1: ['norm1.', norm],
  norm2: ['norm2.', norm],
})
export const decoderLayer = below<DecoderLayerParams>({
  selfAttn: ['self_attn.', attention],
  crossAttn: ['multihead_attn.', attention],
  linear1: ['linear1.', dense('F', 'E')],
  linear2: ['linear2.', dense('E', 'F')],
  norm1: ['norm1.', norm],
  norm2: ['norm2.', norm],
  norm3: ['norm3.', norm],
})
/** As many numbers from 0 as there are different ones, so that one that is missing is missed; one at least. */
const numbered = (found: readonly string[]): readonly number[] => range(Math.max(1, new Set(found).size))
interface Stack<P> {
  readonly layers: readonly P[]
  readonly norm?: LayerNormParams
}
/** Layers by number, and a norm after them: torch.nn.Transformer's stacks always have it. */
export const stack = <P>(layer: Part<P>, normed: boolean): Part<Stack<P>> => ({
  read: (from, at) => {
    const names = from.names(at).map((name) => name.split('.'))
    const numbers = names.flatMap(([first, i]) => (first === 'layers' && i !== undefined ? [i] : []))
    return {
      layers: numbered(numbers).map((i) => layer.read(from, `${at}layers.${i}.`)),
      ...((normed || names.some(([first]) => first === 'norm')) && { norm: norm.read(from, `${at}norm.`) }),
    }
  },
  write: (p, at) =>
    Object.assign(
      {},
      ...p.layers.map((own, i) => layer.write(own, `${at}layers.${i}.`)),
      p.norm && norm.write(p.norm, `${at}norm.`),
    ) as Written,
})

/** Weights of `gates` gates, a layer and direction in each name: weight_ih_l0_reverse. */
export const recurrent = (gates: number): Part<RecurrentParams> => {
  const wide = gates === 1 ? 'H' : `${gates}H`
  const direction = (i: number, way: string, into: string): Part<RecurrentDirection> => {
    const [ih, hh] = [['ih', into] as const, ['hh', 'H'] as const].map(([name, width]) =>
      named(`weight_${name}_l${i}${way}`, `bias_${name}_l${i}${way}`, wide, width),
    ) as [Part<LinearParams>, Part<LinearParams>]
    return below<RecurrentDirection>({ ih: ['', ih], hh: ['', hh] })
  }
  return {
    read: (from, at) => {
      const places = from.names(at).flatMap((name) => [...name.matchAll(/^(?:weight|bias)_[ih]h_l(\d+)(_reverse)?$/g)])
      const both = places.some(([, , reverse]) => reverse !== undefined)
      const layers = numbered(places.map(([, i]) => i!)).map((i): RecurrentLayer => {
        const into = i === 0 ? 'I' : both ? '2H' : 'H'
        return { forward: direction(i, '', into).read(from, at), ...(both && { backward: direction(i, '_reverse', into).read(from, at) }) }
      })
      return { layers }
    },
    write: ({ layers }, at) =>
      Object.assign(
        {},
        ...layers.flatMap(({ forward, backward }, i) => [
          direction(i, '', '').write(forward, at),
          ...(backward ? [direction(i, '_reverse', '').write(backward, at)] : []),
        ]),
      ) as Written,
  }
}
