/** Beam search: the likeliest texts that a few candidates at a time find, as Transformers searches. */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { atLeast, either, flag, list, number, oneOf, plainObject, type Schema, text, whole } from '../core/options.ts'
import { promised, takesOptions } from '../core/takes.ts'
import * as nn from '../nn/index.ts'
import * as np from '../numpy/index.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import * as tree from '../tree.ts'
import { jit } from '../../transforms/jit.ts'
import type { EncoderDecoderCache as Cache } from './encoderDecoder.ts'
import { cacheDType, isSignal } from './generate.ts'
import { applied, bucketOf, mustBeIds, mustWrite, padded, placesOf, type Rows, type Writer, type WriterParams } from './writer.ts'

export interface BeamOptions {
  /** One of two: a text, for which the tokenizer is needed, or its ids. A decoder goes on from it, an encoder-decoder reads it and answers. */
  readonly prompt?: string
  readonly inputIds?: readonly number[]
  /** With it results have their text. */
  readonly tokenizer?: Tokenizer
  /** How many candidates there are at a time, and sequences in the result at most. Default 4. */
  readonly beams?: number
  /** Default 128. */
  readonly maxNewTokens?: number
  /** A sequence's score is the sum of its log-probabilities, divided by its length to this power. Default 1: their mean; above, long ones are preferred. */
  readonly lengthPenalty?: number
  /**
   * When to stop, once as many sequences ended as there are beams. true: at once; false, the default: when the best candidate, scored at its present length,
   * isn't better than the worst of them; 'never': when it couldn't be at any length it may reach.
   */
  readonly earlyStopping?: boolean | 'never'
  /** Ids that end a sequence, and are its last; default: the model's. */
  readonly eos?: readonly number[]
  /** Of the cache; default the parameters'. */
  readonly dtype?: DType
  /** Ends the search with what there is. */
  readonly signal?: AbortSignal
}
/** A sequence that was found. */
export interface Beam {
  /** The new ids, the one that ended it among them. */
  readonly tokens: readonly number[]
  readonly score: number
  /** Without the id that ended it; null without a tokenizer. */
  readonly text: string | null
}
type BeamSearch = <M extends Writer>(model: M, params: WriterParams<M>, options: BeamOptions) => Promise<readonly Beam[]>

const beamOptions: Schema<BeamOptions> = {
  prompt: text,
  inputIds: list(whole),
  tokenizer: plainObject(),
  beams: atLeast(1),
  maxNewTokens: atLeast(1),
  lengthPenalty: number,
  earlyStopping: either(flag, oneOf('never')),
  eos: list(whole),
  dtype: cacheDType,
  signal: isSignal,
}

/** A candidate: its ids, the sum of their log-probabilities, and the row of the cache that has all but the last of them. */
interface Candidate {
  readonly tokens: readonly number[]
  readonly sum: number
  readonly row: number
}
/** The sums of the `most` likeliest continuations of all rows, and each as row · V + id. */
type Ranked = readonly [sums: NdArray, places: NdArray, cache: Cache]
interface Programs {
  /** One row is read, and its cache stands in `beams` rows. */
  readonly begin: (params: WriterParams, cache: Cache, said: Rows, read: Rows | null, beams: number, most: number) => Ranked
  /** Rows of the cache where candidates came from, the ids that they got, and their sums. */
  readonly step: (params: WriterParams, cache: Cache, from: NdArray, ids: NdArray, sums: NdArray, most: number) => Ranked
}
/** Rows of a cache, whatever is in it: each array has a row's part first. */
const rowsOf = (cache: Cache, rows: NdArray): Cache => tree.map((x: NdArray) => np.take(x, rows, { axis: 0 }), cache)
const ranked = (logits: NdArray, sums: NdArray, most: number): readonly [NdArray, NdArray] => {
  const all = np.add(nn.logSoftmax(np.astype(logits, 'float32')), np.expandDims(sums, 1)).reshape(-1)
  const places = np.argsort(np.negative(all)).slice([0, most])
  return [np.take(all, places), places]
}
/** By model, held by it. */
const programs = new WeakMap<Writer, Programs>()
const programsOf = (model: Writer): Programs => {
  const known = programs.get(model)
  if (known !== undefined) return known
  const made: Programs = {
    begin: jit(
      (params, cache, { ids, mask }, read, beams, most) => {
        const [logits, after] = applied(model, params, cache, ids, mask, read)
        return [...ranked(logits, np.zeros([1]), most), rowsOf(after, np.zeros([beams], 'int32'))]
      },
      { staticArgnums: [4, 5], donateArgnums: [1] },
    ) as Programs['begin'],
    step: jit(
      (params, cache, from, ids, sums, most) => {
        const [logits, after] = applied(model, params, rowsOf(cache, from), np.expandDims(ids, 1), null, null)
        return [...ranked(logits, sums, most), after]
      },
      { staticArgnums: [5], donateArgnums: [1] },
    ) as Programs['step'],
  }
  programs.set(model, made)
  return made
}
const ints = (xs: readonly number[]): NdArray => np.array(Int32Array.from(xs))
const numbers = async (x: NdArray): Promise<readonly number[]> => [...((await x.data()) as unknown as Iterable<number>)]

/**
 * The best sequences, the best first, each with its score: at every step as many candidates go on as there are beams, and their rows of the cache with
 * them, on the device. One prompt a call. As Transformers' `generate(num_beams=…)`, which has the same options.
 *
 * @example const [best] = await beamSearch(model, params, { prompt: 'Once upon a time', tokenizer, beams: 4, maxNewTokens: 20 })
 * @throws (the promise rejects) ArgumentError where not one of prompt and inputIds is given, or an id isn't in the vocabulary; ShapeError where the model hasn't
 *   so many positions, or no ids are given
 */
export const beamSearch: BeamSearch = /* @__PURE__ */ promised(
  takesOptions('beamSearch', 3, beamOptions, async (model: Writer, params: WriterParams, own: BeamOptions): Promise<readonly Beam[]> => {
    const what = 'beamSearch'
    mustWrite(what, model, params)
    const { prompt, inputIds, tokenizer, beams = 4, maxNewTokens = 128, lengthPenalty = 1, earlyStopping = false, eos = model.eos } = own
    if ((prompt === undefined) === (inputIds === undefined))
      throw new ArgumentError(`${what}: one of prompt and inputIds is needed, and ${prompt === undefined ? 'none is' : 'both are'} given`)
    if (prompt !== undefined && tokenizer === undefined)
      throw new ArgumentError(`${what}: a prompt is read by a tokenizer: give the option tokenizer, or inputIds`)
    const ids = inputIds ?? tokenizer!.encode(prompt!)
    mustBeIds(what, model, [ids])
    const reads = model.kind === 'encoderDecoder'
    const begun = reads ? [model.config.start] : ids
    const needed = begun.length + maxNewTokens
    if (needed > placesOf(model))
      throw new ShapeError(
        `${what}: a prompt of ${begun.length} and ${maxNewTokens} new tokens are ${needed}, and the model has ${placesOf(model)} positions`,
      )
    const { vocab } = model.config
    const most = (ofRows: number): number => Math.min(Math.max(2, 1 + eos.length) * beams, ofRows * vocab)
    const scoreOf = (sum: number, length: number): number => sum / length ** lengthPenalty
    const { begin, step } = programsOf(model)
    const capacity = Math.ceil(needed / 64) * 64
    const empty = model.cache(1, capacity, { dtype: own.dtype ?? (params.embed.w.dtype as DType & 'float32') })
    const said = padded([begun], reads ? 1 : Math.min(bucketOf(begun.length), capacity))
    let [sums, places, cache] = begin(params, empty, said, reads ? padded([ids], bucketOf(ids.length)) : null, beams, most(1))
    let running: readonly Candidate[] = [{ tokens: [], sum: 0, row: 0 }]
    let ended: readonly { readonly tokens: readonly number[]; readonly score: number }[] = []
    /** The best `beams` of both; of equals those that were there before. */
    const withThese = (more: readonly Candidate[]): typeof ended =>
      [...ended, ...more.map(({ tokens, sum }) => ({ tokens, score: scoreOf(sum, tokens.length) }))]
        .sort((a, b) => b.score - a.score)
        .slice(0, beams)
    for (let length = 1; ; length++) {
      const [values, at] = [await numbers(sums), await numbers(places)]
      const next = at.map((place, i): Candidate => {
        const row = Math.floor(place / vocab)
        return { tokens: [...running[row]!.tokens, place % vocab], sum: values[i]!, row }
      })
      const ends = ({ tokens }: Candidate): boolean => length === maxNewTokens || eos.includes(tokens.at(-1)!)
      // What ended counts only among the likeliest: the rest of them stand by, so that there are always enough to go on.
      ended = withThese(next.slice(0, beams).filter(ends))
      running = next.filter((one) => !ends(one)).slice(0, beams)
      if (running.length === 0) break
      if (own.signal?.aborted === true) {
        ended = withThese(running)
        break
      }
      const reach = earlyStopping === 'never' && lengthPenalty > 0 ? maxNewTokens : length
      const full = ended.length === beams
      if (full && (earlyStopping === true || scoreOf(running[0]!.sum, reach) <= ended.at(-1)!.score)) break
      // Where a small vocabulary gave fewer, the last stands for the others, with no chance.
      const row = (i: number): Candidate => running[i] ?? { ...running[0]!, sum: -1e9 }
      const rows = Array.from({ length: beams }, (_, i) => row(i))
      running = rows
      ;[sums, places, cache] = step(
        params,
        cache,
        ints(rows.map((one) => one.row)),
        ints(rows.map(({ tokens }) => tokens.at(-1)!)),
        np.array(rows.map(({ sum }) => sum)),
        most(beams),
      )
    }
    const textOf = (tokens: readonly number[]): string | null =>
      tokenizer === undefined ? null : tokenizer.decode(eos.includes(tokens.at(-1)!) ? tokens.slice(0, -1) : tokens)
    return ended.map(({ tokens, score }) => ({ tokens, score, text: textOf(tokens) }))
  }),
)
