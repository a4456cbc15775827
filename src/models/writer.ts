/** A model that writes, decoder or encoder-decoder alike: one call of it over rows of ids and a cache. */
import type { NdArray } from '../core/array.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import * as np from '../numpy/index.ts'
import type { DecoderParams } from './decoder.ts'
import type { EncoderDecoderCache as Cache, EncoderDecoderParams } from './encoderDecoder.ts'
import type { DecoderModel, EncoderDecoderModel } from './model.ts'

/** Models that write, and their parameters. */
export type Writer = DecoderModel | EncoderDecoderModel
export type WriterParams<M extends Writer = Writer> = M extends DecoderModel ? DecoderParams : EncoderDecoderParams
/** Ids padded to one length, and which of them are real. */
export interface Rows {
  readonly ids: NdArray // int32 [B,T]
  readonly mask: NdArray // int32 [B,T]
}

const isObject = (x: unknown): x is Readonly<Record<string, unknown>> => typeof x === 'object' && x !== null
/** What a public function was given first: a model that writes, and parameters. */
export const mustWrite = (what: string, model: unknown, params: unknown): void => {
  if (!isObject(model) || typeof model['apply'] !== 'function' || (model['kind'] !== 'decoder' && model['kind'] !== 'encoderDecoder'))
    throw new ArgumentError(
      isObject(model) && (model['kind'] === 'encoder' || model['kind'] === 'reader')
        ? `${what}: the model is ${model['kind'] === 'encoder' ? 'an encoder' : 'a reader'}, which writes nothing: a decoder or an encoder-decoder is needed`
        : `${what}: a model is needed, as load or fromConfig gives it, and got ${show(model)}`,
    )
  if (!isObject(params) || !isObject(params['embed']))
    throw new ArgumentError(`${what}: the model's parameters are needed, as load or model.init gives them, and got ${show(params)}`)
}
export const mustBeIds = (what: string, model: Writer, prompts: readonly (readonly number[])[]): void => {
  const { vocab } = model.config
  if (prompts.some((row) => row.length === 0)) throw new ShapeError(`${what}: a prompt has no ids: begin with the tokenizer's bos`)
  const outside = prompts.flat().find((id) => id < 0 || id >= vocab)
  if (outside !== undefined)
    throw new ArgumentError(`${what}: id ${outside} isn't among the model's ${vocab}: the tokenizer isn't the model's`)
}

/** One call of the model: the logits of each row's last real token, [B,V], and the cache. */
export const applied = (
  model: Writer,
  params: WriterParams,
  cache: Cache,
  said: NdArray,
  mask: NdArray | null,
  read: Rows | null,
): readonly [NdArray, Cache] => {
  const last = mask === null ? {} : { only: 'last' as const }
  const run = () => {
    if (model.kind === 'decoder') {
      const inputs = { inputIds: said, ...(mask === null ? {} : { attentionMask: mask }) }
      return model.apply(params as DecoderParams, inputs, { cache, ...last })
    }
    const inputs = { decoderInputIds: said, ...(mask === null ? {} : { decoderAttentionMask: mask }) }
    const source = read === null ? {} : { inputIds: read.ids, attentionMask: read.mask }
    return model.apply(params as EncoderDecoderParams, { ...source, ...inputs }, { cache, ...last })
  }
  const out = run()
  return [np.reshape(out.logits, [said.shape[0]!, -1]), out.cache!]
}

/** 16, 32, 64, …: prompts of about a length run the same code. */
export const bucketOf = (n: number): number => 2 ** Math.max(4, Math.ceil(Math.log2(Math.max(1, n))))
const matrix = (rows: readonly (readonly number[])[], width: number): NdArray =>
  np.array(Int32Array.from(rows.flatMap((row) => [...row, ...Array<number>(width - row.length).fill(0)]))).reshape(rows.length, width)
export const padded = (rows: readonly (readonly number[])[], width: number): Rows => ({
  ids: matrix(rows, width),
  mask: matrix(rows.map((row) => row.map(() => 1)), width), // prettier-ignore
})
export const lengthOf = (rows: readonly (readonly number[])[]): number => Math.max(...rows.map((row) => row.length))

/** How many positions a model has at all. */
export const placesOf = (model: Writer): number =>
  model.kind === 'decoder' && model.config.learnedPositions ? model.config.context : Infinity
/** How many positions a cache has place for: its layers without a window say; where all have one, there is no end. */
export const roomOf = (model: Writer, cache: Cache): number => {
  const slides = (i: number, C: number): boolean => model.kind === 'decoder' && model.config.layers[i]!.window === C
  const places = cache.layers.flatMap(({ k }, i) => (slides(i, k.shape[2]!) ? [] : [k.shape[2]!]))
  return Math.min(Infinity, ...places)
}
