/** Beam search: the likeliest texts that a few candidates at a time find, as Transformers searches, for one prompt or several at once. */
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
import { cacheDType, isSignal, prompts, rowsIn } from './generate.ts'
import { applied, bucketOf, lengthOf, mustBeIds, mustWrite, padded, placesOf, type Rows, type Writer, type WriterParams } from './writer.ts'

interface SearchOptions {
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
/** One of two: a text, for which the tokenizer is needed, or its ids. A decoder goes on from it, an encoder-decoder reads it and answers. */
export interface BeamOptions extends SearchOptions {
  readonly prompt?: string
  readonly inputIds?: readonly number[]
}
/** The same of several, of any lengths. */
export interface BeamsOptions extends SearchOptions {
  readonly prompt?: readonly string[]
  readonly inputIds?: readonly (readonly number[])[]
}
/** A sequence that was found. */
export interface Beam {
  /** The new ids, the one that ended it among them. */
  readonly tokens: readonly number[]
  readonly score: number
  /** Without the id that ended it; null without a tokenizer. */
  readonly text: string | null
}
interface BeamSearch {
  <M extends Writer>(model: M, params: WriterParams<M>, options: BeamOptions): Promise<readonly Beam[]>
  <M extends Writer>(model: M, params: WriterParams<M>, options: BeamsOptions): Promise<readonly (readonly Beam[])[]>
}
type Given = SearchOptions & { readonly [Key in 'prompt' | 'inputIds']?: BeamOptions[Key] | BeamsOptions[Key] }

const beamOptions: Schema<Given> = {
  prompt: either(text, list(text)),
  inputIds: prompts,
  tokenizer: plainObject(),
  beams: atLeast(1),
  maxNewTokens: atLeast(1),
  lengthPenalty: number,
  earlyStopping: either(flag, oneOf('never')),
  eos: list(whole),
  dtype: cacheDType,
  signal: isSignal,
}

// One prompt's search ------------------------------------------------------------------------------------------------------------

/** A candidate: its ids, the sum of their log-probabilities, and which of its prompt's rows of the cache has all but the last of them. */
interface Candidate {
  readonly tokens: readonly number[]
  readonly sum: number
  readonly row: number
}
type Ended = Pick<Beam, 'tokens' | 'score'>
interface Search {
  readonly running: readonly Candidate[]
  readonly ended: readonly Ended[]
  /** Nothing is better than what ended. */
  readonly over: boolean
}
type Rules = Required<Pick<SearchOptions, 'beams' | 'maxNewTokens' | 'lengthPenalty' | 'earlyStopping' | 'eos'>>
const scoreOf = (sum: number, length: number, { lengthPenalty }: Rules): number => sum / length ** lengthPenalty

/** The best of both, as many as there are beams; of equals those that were there before. */
const withThese = (ended: readonly Ended[], more: readonly Candidate[], rules: Rules): readonly Ended[] =>
  [...ended, ...more.map(({ tokens, sum }) => ({ tokens, score: scoreOf(sum, tokens.length, rules) }))]
    .sort((a, b) => b.score - a.score)
    .slice(0, rules.beams)

/** A search with its likeliest continuations, the likeliest first, each `length` ids long. */
const advanced = ({ ended: before }: Search, next: readonly Candidate[], length: number, rules: Rules): Search => {
  const { beams, maxNewTokens, lengthPenalty, earlyStopping, eos } = rules
  const ends = ({ tokens }: Candidate): boolean => length === maxNewTokens || eos.includes(tokens.at(-1)!)
  // What ended counts only among the likeliest: the rest of them stand by, so that there are always enough to go on.
  const ended = withThese(before, next.slice(0, beams).filter(ends), rules)
  const running = next.filter((one) => !ends(one)).slice(0, beams)
  const [best] = running
  if (best === undefined) return { running, ended, over: true }
  const reach = earlyStopping === 'never' && lengthPenalty > 0 ? maxNewTokens : length
  const full = ended.length === beams
  return { running, ended, over: full && (earlyStopping === true || scoreOf(best.sum, reach, rules) <= ended.at(-1)!.score) }
}

// All prompts' steps -------------------------------------------------------------------------------------------------------------

/** The sums of the `most` likeliest continuations of all rows of each prompt, [B,most] for B prompts, and each as row · V + id. */
type Ranked = readonly [sums: NdArray, places: NdArray, cache: Cache]
interface Programs {
  /** One row a prompt is read, and its cache stands in `beams` rows. */
  readonly begin: (params: WriterParams, cache: Cache, said: Rows, read: Rows | null, beams: number, most: number) => Ranked
  /** Rows of the cache where candidates came from, the ids that they got, and their sums: [B·beams] twice, and [B,beams]. */
  readonly step: (params: WriterParams, cache: Cache, from: NdArray, ids: NdArray, sums: NdArray, most: number) => Ranked
}
/** Rows of a cache, whatever is in it: each array has a row's part first. */
const rowsOf = (cache: Cache, rows: NdArray): Cache => tree.map((x: NdArray) => np.take(x, rows, { axis: 0 }), cache)
const ranked = (logits: NdArray, sums: NdArray, most: number): readonly [NdArray, NdArray] => {
  const [B, rows] = sums.shape as readonly [number, number]
  const logp = np.reshape(nn.logSoftmax(np.astype(logits, 'float32')), [B, rows, -1])
  const all = np.reshape(np.add(logp, np.expandDims(sums, 2)), [B, -1]) // [B,rows·V]
  const places = np.argsort(np.negative(all), { axis: 1 }).slice([], [0, most])
  return [np.takeAlongAxis(all, places, 1), places]
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
        const B = logits.shape[0]!
        return [...ranked(logits, np.zeros([B, 1]), most), rowsOf(after, np.repeat(np.arange(B), beams))]
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

/** What stands for a candidate where there is none: a small vocabulary gave fewer, or the search is over. It has no chance. */
const idle: Candidate = { tokens: [0], sum: -1e9, row: 0 }

/** All searches to their ends: at each step the rows of all prompts in one call, those of searches that are over for nothing. */
const searched = async (
  { begin, step }: Programs,
  params: WriterParams,
  { empty, said, read, vocab }: { readonly empty: Cache; readonly said: Rows; readonly read: Rows | null; readonly vocab: number },
  rules: Rules,
  signal: AbortSignal | undefined,
): Promise<readonly Search[]> => {
  const { beams, eos } = rules
  const most = (rows: number): number => Math.min(Math.max(2, 1 + eos.length) * beams, rows * vocab)
  let searches = Array.from({ length: said.ids.shape[0]! }, (): Search => ({ running: [{ tokens: [], sum: 0, row: 0 }], ended: [], over: false })) // prettier-ignore
  let [sums, places, cache] = begin(params, empty, said, read, beams, most(1))
  for (let length = 1; ; length++) {
    const each = sums.shape[1]!
    const [values, at] = [await numbers(sums), await numbers(places)]
    const continued = ({ running }: Search, b: number): readonly Candidate[] =>
      at.slice(b * each, (b + 1) * each).map((place, i) => {
        const row = Math.floor(place / vocab)
        return { tokens: [...running[row]!.tokens, place % vocab], sum: values[b * each + i]!, row }
      })
    searches = searches.map((one, b) => (one.over ? one : advanced(one, continued(one, b), length, rules)))
    if (searches.every(({ over }) => over)) return searches
    if (signal?.aborted === true)
      return searches.map((one) => (one.over ? one : { ...one, ended: withThese(one.ended, one.running, rules) }))
    const filled = ({ running }: Search): readonly Candidate[] =>
      Array.from({ length: beams }, (_, i) => running[i] ?? { ...(running[0] ?? idle), sum: idle.sum })
    searches = searches.map((one) => ({ ...one, running: filled(one) }))
    const rows = searches.flatMap(({ running }) => running)
    ;[sums, places, cache] = step(
      params,
      cache,
      ints(rows.map(({ row }, i) => row + i - (i % beams))),
      ints(rows.map(({ tokens }) => tokens.at(-1)!)),
      np.array(rows.map(({ sum }) => sum)).reshape(-1, beams),
      most(beams),
    )
  }
}

// What users call ----------------------------------------------------------------------------------------------------------------

/** The ids of each prompt, and whether there may be several. */
const promptsOf = (what: string, { prompt, inputIds, tokenizer }: Given): readonly [readonly (readonly number[])[], boolean] => {
  if ((prompt === undefined) === (inputIds === undefined))
    throw new ArgumentError(`${what}: one of prompt and inputIds is needed, and ${prompt === undefined ? 'none is' : 'both are'} given`)
  if (inputIds !== undefined) return [rowsIn(inputIds), Array.isArray(inputIds[0])]
  if (tokenizer === undefined) throw new ArgumentError(`${what}: a prompt is read by a tokenizer: give the option tokenizer, or inputIds`)
  if (typeof prompt === 'string') return [[tokenizer.encode(prompt)], false]
  if (prompt!.length === 0) throw new ShapeError(`${what}: a prompt is needed, and the list has none`)
  return [prompt!.map((one) => tokenizer.encode(one)), true]
}

/**
 * The best sequences, the best first, each with its score: at every step as many candidates go on as there are beams, and their rows of the cache with
 * them, on the device. Of several prompts, of any lengths, a list for each: what it has alone, but where a rope goes by the longest text of a batch.
 * As Transformers' `generate(num_beams=…)`, which has the same options.
 *
 * @example const [best] = await beamSearch(model, params, { prompt: 'Once upon a time', tokenizer, beams: 4, maxNewTokens: 20 })
 * @example const [ofOne, ofOther] = await beamSearch(model, params, { inputIds: [[1, 5, 9], [7, 33]] })
 * @throws (the promise rejects) ArgumentError where not one of prompt and inputIds is given, or an id isn't in the vocabulary; ShapeError where the model hasn't
 *   so many positions, or no ids are given
 */
export const beamSearch = /* @__PURE__ */ promised(
  takesOptions('beamSearch', 3, beamOptions, async (model: Writer, params: WriterParams, own: Given): Promise<unknown> => {
    const what = 'beamSearch'
    mustWrite(what, model, params)
    const { tokenizer, beams = 4, maxNewTokens = 128, lengthPenalty = 1, earlyStopping = false, eos = model.eos } = own
    const [ids, several] = promptsOf(what, own)
    mustBeIds(what, model, ids)
    const reads = model.kind === 'encoderDecoder'
    const begun = reads ? ids.map(() => [model.config.start]) : ids
    const longest = lengthOf(begun)
    const needed = longest + maxNewTokens
    if (needed > placesOf(model))
      throw new ShapeError(
        `${what}: a prompt of ${longest} and ${maxNewTokens} new tokens are ${needed}, and the model has ${placesOf(model)} positions`,
      )
    const capacity = Math.ceil(needed / 64) * 64
    const given = {
      empty: model.cache(ids.length, capacity, { dtype: own.dtype ?? (params.embed.w.dtype as DType & 'float32') }),
      said: padded(begun, reads ? 1 : Math.min(bucketOf(longest), capacity)),
      read: reads ? padded(ids, bucketOf(lengthOf(ids))) : null,
      vocab: model.config.vocab,
    }
    const rules = { beams, maxNewTokens, lengthPenalty, earlyStopping, eos }
    const searches = await searched(programsOf(model), params, given, rules, own.signal)
    const textOf = (tokens: readonly number[]): string | null =>
      tokenizer === undefined ? null : tokenizer.decode(eos.includes(tokens.at(-1)!) ? tokens.slice(0, -1) : tokens)
    const found = searches.map(({ ended }) => ended.map(({ tokens, score }): Beam => ({ tokens, score, text: textOf(tokens) })))
    return several ? found : found[0]!
  }),
) as BeamSearch
