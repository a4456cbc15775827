/** Speculative decoding: a small model drafts, the large one reads several tokens at once, and the text is the large one's own (Leviathan et al. 2023). */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { iota } from '../core/constructors.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { atLeast, list, needed, type Schema, whole } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import * as np from '../numpy/index.ts'
import { jit } from '../../transforms/jit.ts'
import { type Cache, emptyCache } from './cache.ts'
import type { DecoderConfig, DecoderParams } from './decoder.ts'
import { cacheDType, isSignal } from './generate.ts'
import type { DecoderModel } from './model.ts'
import { applied, bucketOf, mustBeIds, mustWrite, padded, placesOf, type Rows } from './writer.ts'

export interface SpeculateOptions {
  /** The prompt that it goes on from. */
  readonly inputIds: readonly number[]
  /** Default 128. */
  readonly maxNewTokens?: number
  /** How many are drafted at a time; default 4. More pay where the draft is often right. */
  readonly tokens?: number
  /** Ids after which it is done; default none. */
  readonly eos?: readonly number[]
  /** Of both caches; default each one's parameters'. */
  readonly dtype?: DType
  readonly signal?: AbortSignal
}
export interface Speculated {
  /** The new ids, the one that ended it among them. */
  readonly tokens: readonly number[]
  /** How many were drafted, and how many of them taken: what tells whether the draft is worth it. */
  readonly drafted: number
  readonly accepted: number
}
type Speculate = (
  model: DecoderModel,
  params: DecoderParams,
  draft: DecoderModel,
  draftParams: DecoderParams,
  options: SpeculateOptions,
) => AsyncGenerator<readonly number[], Speculated>

const speculateOptions: Schema<SpeculateOptions> = {
  inputIds: needed(list(whole)),
  maxNewTokens: atLeast(0),
  tokens: atLeast(1),
  eos: list(whole),
  dtype: cacheDType,
  signal: isSignal,
}

/** What the draft knows when a round begins: the cache has all before these ids, one or two. */
interface Pending {
  readonly cache: Cache
  readonly rows: Rows
}
interface Programs {
  /** The greatest logit's id behind these, int32 [1], and the cache with them. */
  readonly read: (params: DecoderParams, cache: Cache, rows: Rows) => readonly [NdArray, Cache]
  readonly step: (params: DecoderParams, cache: Cache, id: NdArray) => readonly [NdArray, Cache]
  /** What the model says after the last id and after each of `most` drafted ones, how many of them it says too, and the cache with those. */
  readonly verify: (
    params: DecoderParams,
    cache: Cache,
    last: NdArray,
    drafted: readonly NdArray[],
    most: NdArray,
  ) => readonly [said: NdArray, agreed: NdArray, cache: Cache]
  /** For the draft: its cache cut back to what was taken, which are so many positions, and what it hasn't read yet. */
  readonly resume: (cache: Cache, lengths: NdArray, said: NdArray, agreed: NdArray) => Pending
}
const best = (logits: NdArray): NdArray => np.argmax(logits, { axis: -1 })
/** By model, held by it. */
const programs = new WeakMap<DecoderModel, Programs>()
const programsOf = (model: DecoderModel): Programs => {
  const known = programs.get(model)
  if (known !== undefined) return known
  const greedy = (params: DecoderParams, cache: Cache, ids: NdArray, mask: NdArray | null): readonly [NdArray, Cache] => {
    const [logits, after] = applied(model, params, cache, ids, mask, null)
    return [best(logits), after]
  }
  const made: Programs = {
    read: jit((params: DecoderParams, cache: Cache, { ids, mask }: Rows) => greedy(params, cache, ids, mask), { donateArgnums: [1] }),
    step: jit((params: DecoderParams, cache: Cache, id: NdArray) => greedy(params, cache, np.expandDims(id, 1), null), {
      donateArgnums: [1],
    }),
    verify: jit(
      (params: DecoderParams, cache: Cache, last: NdArray, drafted: readonly NdArray[], most: NdArray) => {
        const ids = np.concatenate([last, ...drafted])
        const place = iota(ids.shape, 'int32', 0)
        const inputs = { inputIds: np.expandDims(ids, 0), attentionMask: np.expandDims(np.lessEqual(place, most), 0) }
        const out = model.apply(params, inputs, { cache })
        const said = best(out.logits).reshape(-1)
        const K = drafted.length
        const same = np.logicalAnd(np.equal(ids.slice([1, K + 1]), said.slice([0, K])), np.less(place.slice([0, K]), most))
        const agreed = np.sum(np.cumprod(np.astype(same, 'int32'), { axis: 0 }))
        return [said, agreed, { ...out.cache!, lengths: np.add(np.add(cache.lengths, 1), agreed) }] as const
      },
      { donateArgnums: [1] },
    ),
    resume: jit(
      (cache: Cache, lengths: NdArray, said: NdArray, agreed: NdArray): Pending => {
        // It has read all that it drafted but the last: where that was taken too, it comes first.
        const behind = np.reshape(np.less(cache.lengths, lengths), [])
        const next = np.take(said, agreed)
        const ids = np.stack([np.where(behind, np.take(said, np.maximum(np.sub(agreed, 1), 0)), next), next])
        const mask = np.stack([np.ones([], 'int32'), np.astype(behind, 'int32')])
        const rows = { ids: ids.reshape(1, 2), mask: mask.reshape(1, 2) }
        return { cache: { ...cache, lengths: np.minimum(cache.lengths, lengths) }, rows }
      },
      { donateArgnums: [0] },
    ),
  }
  programs.set(model, made)
  return made
}

/** A cache without rings: what is written over in a ring can't come back. */
const straightCache = ({ layers, attention }: DecoderConfig, capacity: number, dtype: DType): Cache =>
  emptyCache(1, capacity, layers.map(() => null), attention.kvHeads, attention.headDim, dtype) // prettier-ignore
/** Frequencies that change while a text grows from one length to another, by kind; null where none do. */
const changing = ({ ropes }: DecoderConfig, from: number, to: number): string | null => {
  for (const { scaling } of Object.values(ropes)) {
    if (scaling?.kind === 'dynamic' && to > scaling.context) return scaling.kind
    if (scaling?.kind === 'longrope' && from <= scaling.context && to > scaling.context) return scaling.kind
  }
  return null
}
const numbers = async (x: NdArray): Promise<readonly number[]> => [...((await x.data()) as unknown as Iterable<number>)]

/**
 * The ids that `generateTokens` gives without a temperature, several at a time where the draft guessed them: a draft changes how fast they come, and none of
 * them, but where two logits are equal up to rounding. Both models are of one vocabulary. Its own result says how many guesses were right.
 *
 * @example for await (const ids of speculate(large.model, large.params, small.model, small.params, { inputIds: [1, 5, 9] })) console.log(ids)
 * @throws ShapeError where a model hasn't so many positions, or there are no ids; ArgumentError where the vocabularies differ, for an id outside of them, and
 *   where the model's rotary frequencies would change within the text
 */
export const speculate: Speculate = /* @__PURE__ */ takesOptions(
  'speculate',
  5,
  speculateOptions,
  async function* (
    model: DecoderModel,
    params: DecoderParams,
    draft: DecoderModel,
    draftParams: DecoderParams,
    own: SpeculateOptions,
  ): AsyncGenerator<readonly number[], Speculated> {
    const what = 'speculate'
    const { inputIds, maxNewTokens = 128, tokens: K = 4, eos = [] } = own
    const stopped = (): boolean => own.signal?.aborted === true
    const both = [['model', model, params], ['draft', draft, draftParams]] as const // prettier-ignore
    for (const [name, one, its] of both) {
      mustWrite(what, one, its)
      if (one.kind !== 'decoder')
        throw new ArgumentError(`${what}: the ${name} is an encoder-decoder, and a decoder is needed: generate runs it`)
    }
    mustBeIds(what, model, [inputIds])
    if (draft.config.vocab !== model.config.vocab)
      throw new ArgumentError(
        `${what}: the draft has ${draft.config.vocab} ids, and the model ${model.config.vocab}: they must have one tokenizer`,
      )
    const length = inputIds.length
    for (const [name, one] of both)
      if (length + maxNewTokens > placesOf(one))
        throw new ShapeError(
          `${what}: a prompt of ${length} and ${maxNewTokens} new tokens are ${length + maxNewTokens}, and the ${name} has ${placesOf(one)} positions`,
        )
    const kind = changing(model.config, length, length + maxNewTokens)
    if (kind !== null)
      throw new ArgumentError(
        `${what}: the model's rotary frequencies (${kind}) change within ${length + maxNewTokens} positions, and several tokens at once would give others than one by one: use generateTokens`,
      )
    const capacity = Math.ceil((length + maxNewTokens) / 64) * 64
    const cacheOf = (one: DecoderModel, its: DecoderParams): Cache =>
      straightCache(one.config, capacity, own.dtype ?? (its.embed.w.dtype as DType))
    const [{ read, verify }, drafting] = [programsOf(model), programsOf(draft)]
    const prompt = padded([inputIds], Math.min(bucketOf(length), capacity))
    const tokens: number[] = []
    let [drafted, accepted] = [0, 0]
    const result = (): Speculated => ({ tokens, drafted, accepted })
    if (maxNewTokens === 0 || stopped()) return result()
    let [last, cache] = read(params, cacheOf(model, params), prompt)
    let pending: Pending = { cache: drafting.read(draftParams, cacheOf(draft, draftParams), prompt)[1], rows: alone(last) }
    let fresh = await numbers(last)
    for (;;) {
      const end = fresh.findIndex((id) => eos.includes(id))
      if (end >= 0) fresh = fresh.slice(0, end + 1)
      tokens.push(...fresh)
      yield fresh
      const left = maxNewTokens - tokens.length
      if (end >= 0 || left === 0 || stopped()) return result()
      const most = Math.min(K, left - 1) // the model says one more than were drafted
      const guesses: NdArray[] = []
      let state = pending.cache
      for (let i = 0; i < most; i++) {
        const [guess, after] =
          i === 0 ? drafting.read(draftParams, state, pending.rows) : drafting.step(draftParams, state, guesses[i - 1]!)
        guesses.push(guess)
        state = after
      }
      // Programs are of K guesses: where there is no room for as many, the last ones aren't looked at.
      const all = Array.from({ length: K }, (_, i) => guesses[i] ?? last)
      const [said, agreed, next] = verify(params, cache, last, all, np.array(most, { dtype: 'int32' }))
      const [n, ids] = [(await numbers(agreed))[0]!, await numbers(said)]
      fresh = ids.slice(0, n + 1)
      drafted += most
      accepted += n
      cache = next
      last = np.array(Int32Array.of(fresh[n]!))
      pending = drafting.resume(state, cache.lengths, said, agreed)
    }
  },
)
/** One id as a row of two, of which it is real. */
const alone = (id: NdArray): Rows => ({
  ids: np.concatenate([id, id]).reshape(1, 2),
  mask: np.array(Int32Array.of(1, 0)).reshape(1, 2),
})
