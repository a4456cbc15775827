/** PyTorch's state dicts to the parameters of `nn`'s blocks and back, by PyTorch's own names. */
import { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import { full } from '../core/constructors.ts'
import { ArgumentError } from '../core/errors.ts'
import { array, needed, optionsOf, record, type Schema, text } from '../core/options.ts'
import { reading, show } from '../core/show.ts'
import type { EmbeddingParams, LayerNormParams } from '../nn/layers.ts'
import { linearOf, type LinearParams } from '../nn/linear.ts'
import { type AttentionParams, attentionParams } from '../nn/multiHeadAttention.ts'
import { type RecurrentParams, recurrentParams } from '../nn/recurrent.ts'
import { decoderLayerParams, type DecoderLayerParams, decoderParams, type DecoderParams } from '../nn/transformer.ts'
import {
  encoderLayerParams,
  type EncoderLayerParams,
  encoderParams,
  type EncoderParams,
  type TransformerParams,
} from '../nn/transformer.ts'
import { composedOptions } from '../numpy/check.ts'
import { FileError } from './errors.ts'
import { isPlain } from './header.ts'
import type { Tensors } from './safetensors.ts'
import {
  attention,
  below,
  decoderLayer,
  dense,
  embedding,
  encoderLayer,
  norm,
  type Part,
  type Reader,
  recurrent,
  stack,
} from './torchParts.ts'

/** What each kind of module's parameters are here. */
export interface TorchModules {
  /** torch.nn.Linear */
  readonly linear: LinearParams
  /** torch.nn.LayerNorm, and RMSNorm */
  readonly layerNorm: LayerNormParams
  /** torch.nn.Embedding */
  readonly embedding: EmbeddingParams
  /** torch.nn.RNN */
  readonly rnn: RecurrentParams
  /** torch.nn.LSTM */
  readonly lstm: RecurrentParams
  /** torch.nn.GRU */
  readonly gru: RecurrentParams
  /** torch.nn.MultiheadAttention */
  readonly multiHeadAttention: AttentionParams
  /** torch.nn.TransformerEncoderLayer */
  readonly encoderLayer: EncoderLayerParams
  /** torch.nn.TransformerDecoderLayer */
  readonly decoderLayer: DecoderLayerParams
  /** torch.nn.TransformerEncoder */
  readonly transformerEncoder: EncoderParams
  /** torch.nn.TransformerDecoder */
  readonly transformerDecoder: DecoderParams
  /** torch.nn.Transformer */
  readonly transformer: TransformerParams
}
export type TorchKind = keyof TorchModules
export interface TorchOptions {
  /** What stands before every name of the module: `model.encoder.`. Names without it are left alone. Default: nothing. */
  readonly prefix?: string
}
const torchOptions: Schema<TorchOptions> = { prefix: text }

interface Kind<P> {
  readonly part: Part<P>
  /** The parameters, if they are such. */
  readonly looked: (p: P) => P
}
const kind = <P extends object>(part: Part<P>, schema: Schema<P>): Kind<P> => ({
  part,
  looked: (p) => optionsOf('toTorch', schema, p, 'parameter'),
})
const kinds: { readonly [K in TorchKind]: Kind<TorchModules[K]> } = {
  linear: { part: dense('O', 'I'), looked: (p) => linearOf('toTorch', p) && p },
  layerNorm: kind(norm, { scale: array, bias: array }),
  embedding: kind(embedding, { w: needed(array) }),
  rnn: kind(recurrent(1), recurrentParams),
  lstm: kind(recurrent(4), recurrentParams),
  gru: kind(recurrent(3), recurrentParams),
  multiHeadAttention: kind(attention, attentionParams),
  encoderLayer: kind(encoderLayer, encoderLayerParams),
  decoderLayer: kind(decoderLayer, decoderLayerParams),
  transformerEncoder: kind(stack(encoderLayer, false), encoderParams),
  transformerDecoder: kind(stack(decoderLayer, false), decoderParams),
  transformer: kind<TransformerParams>(
    below({ encoder: ['encoder.', stack(encoderLayer, true)], decoder: ['decoder.', stack(decoderLayer, true)] }),
    { encoder: needed(record(encoderParams)), decoder: needed(record(decoderParams)) },
  ),
}
const kindOf = <K extends TorchKind>(what: string, name: K): Kind<TorchModules[K]> => {
  if (typeof name === 'string' && Object.hasOwn(kinds, name)) return kinds[name]
  throw new ArgumentError(`${what}: the kind is one of ${Object.keys(kinds).join(', ')}, and got ${show(name)}`)
}

/** At most so many names of a fault are told. */
const TOLD = 40
const told = (noun: string, names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`${noun}: ${names.slice(0, TOLD).join(', ')}${names.length > TOLD ? ` and ${names.length - TOLD} more` : ''}`]

/** A reader of the names below a prefix, which remembers what was wrong. */
const readerOf = (tensors: Tensors, prefix: string): Reader & { readonly faults: () => readonly string[] } => {
  const own = reading(FileError, 'fromTorch: what holds the tensors', () => new Map(Object.entries(tensors))) as ReadonlyMap<
    string,
    unknown
  >
  const names = [...own.keys()].filter((name) => name.startsWith(prefix))
  const sizes = new Map<string, number>()
  const used = new Set<string>()
  const [missing, misshapen]: readonly [string[], string[]] = [[], []]
  /** Whether n is `4H`, H as before; where nothing was before it is now. */
  const is = (n: number, letters: string): boolean => {
    const [letter, times] = [letters.slice(-1), Number(letters.slice(0, -1) || 1)]
    if (!sizes.has(letter) && n % times === 0) sizes.set(letter, n / times)
    return n === times * (sizes.get(letter) ?? NaN)
  }
  return {
    biased: names.some((name) => name.slice(prefix.length).includes('bias')),
    names: (at) => names.flatMap((name) => (name.startsWith(at) ? [name.slice(at.length)] : [])),
    take: (name, shape) => {
      const x = own.get(name)
      used.add(name)
      if (x instanceof NdArray && x.ndim === shape.length && shape.every((letters, d) => is(x.shape[d]!, letters))) return x
      const known = [...new Set(shape.map((letters) => letters.slice(-1)))].filter((letter) => sizes.has(letter))
      const where = known.length === 0 ? '' : ` where ${known.map((letter) => `${letter} is ${sizes.get(letter)}`).join(' and ')}`
      if (x === undefined) missing.push(name)
      else misshapen.push(`${name} (${x instanceof NdArray ? showAval(x.aval) : show(x)} for [${shape.join(',')}]${where})`)
      return full([0], 0, 'float32') // in nothing that is given back, since there are faults
    },
    faults: () => [
      ...told('missing', missing),
      ...told('misshapen', misshapen),
      ...told('unexpected', names.filter((name) => !used.has(name))), // prettier-ignore
    ],
  }
}

/**
 * The parameters of a block of `nn`, from PyTorch's state dict of the module: names to arrays, such as a safetensors file has. Matrices stay as
 * they are, `{ weight, bias }`; q, k and v are parted.
 *
 * @example const params = fromTorch('lstm', (await readSafetensors(path)).tensors, { prefix: 'encoder.' })
 * @throws FileError with all names that are missing, misshapen or too many; ArgumentError when there is no such kind
 */
export const fromTorch = /* @__PURE__ */ composedOptions(
  'fromTorch',
  3,
  torchOptions,
  <K extends TorchKind>(name: K, tensors: Tensors, { prefix = '' }: TorchOptions = {}): TorchModules[K] => {
    const { part } = kindOf('fromTorch', name)
    if (!isPlain(tensors)) throw new FileError(`fromTorch: ${show(tensors)} is no object of arrays by name`)
    const reader = readerOf(tensors, prefix)
    const params = part.read(reader, prefix)
    const faults = reader.faults()
    if (faults.length > 0) throw new FileError(`fromTorch: these tensors are no ${name}: ${faults.join('; ')}`)
    return params
  },
)

/**
 * PyTorch's state dict of a block's parameters, for `load_state_dict` or a file: names to arrays. What `fromTorch` reads.
 *
 * @example toTorch('linear', { w: np.ones([2, 3]), b: np.zeros([3]) }) // { weight: [3,2], bias: [3] }
 * @throws FileError where PyTorch's module has no such parameters: grouped heads, or a bias of q alone; ArgumentError for others than the kind's
 */
export const toTorch = /* @__PURE__ */ composedOptions(
  'toTorch',
  3,
  torchOptions,
  <K extends TorchKind>(name: K, params: TorchModules[K], { prefix = '' }: TorchOptions = {}): Tensors => {
    const { part, looked } = kindOf('toTorch', name)
    return part.write(looked(params), prefix)
  },
)
