/** Generation: two jitted functions over a cache that is written in place, and what streams from them. */
import { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import {
  aboveZero,
  array,
  atLeast,
  dtypeAmong,
  either,
  func,
  list,
  needed,
  option,
  plainObject,
  type Schema,
  share,
  text,
  whole,
} from '../core/options.ts'
import { show } from '../core/show.ts'
import { takesOptions } from '../core/takes.ts'
import * as np from '../numpy/index.ts'
import * as random from '../random/index.ts'
import { iota } from '../core/constructors.ts'
import { TextStream } from '../text/stream.ts'
import type { Message, Tokenizer } from '../text/tokenizer.ts'
import { jit } from '../../transforms/jit.ts'
import { isTaken } from './cache.ts'
import { type EncoderDecoderCache as Cache, encoderDecoderCacheKind } from './encoderDecoder.ts'
import { sampled, type Sampling } from './sampling.ts'
import { applied, bucketOf, lengthOf, mustBeIds, mustWrite, padded, placesOf, roomOf, type Rows, type Writer, type WriterParams } from './writer.ts' // prettier-ignore

export interface SamplingOptions {
  /** 0, the default, takes the greatest logit: nothing is drawn then, whatever the next three say. */
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  /** Sees float32 [B,V] and all ids of each row, and gives what is chosen from. */
  readonly logits?: (logits: NdArray, tokens: readonly (readonly number[])[]) => NdArray
  /** For draws: the same key draws the same text. Default `random.key(0)`. */
  readonly key?: NdArray
}
export interface TokenOptions extends SamplingOptions {
  /** A prompt, or several of any lengths: a decoder goes on from it, an encoder-decoder reads it and answers. */
  readonly inputIds: readonly number[] | readonly (readonly number[])[]
  /** Default 128. */
  readonly maxNewTokens?: number
  /** Ids after which a row is done, as `model.eos`; default none. */
  readonly eos?: readonly number[]
  /**
   * What was said before: the ids come after it, an encoder-decoder's too, which has read then. It is taken over, and can't be given again; the result has it
   * with what was said now. For several continuations each is given a copy: `tree.map((x) => np.add(x, 0), cache)`.
   */
  readonly cache?: Cache
  /** Positions that a new cache has place for; default: what this call needs. */
  readonly capacity?: number
  /** Of a new cache; default the parameters'. */
  readonly dtype?: DType
  readonly signal?: AbortSignal
}
export interface Generated {
  /** The new ids of each row, the one that ended it among them. */
  readonly tokens: readonly (readonly number[])[]
  /** All that was said, the last token of each row too: what a next call is given comes after it. */
  readonly cache: Cache
}
export interface GenerateOptions extends Omit<TokenOptions, 'inputIds' | 'eos'> {
  readonly tokenizer: Tokenizer
  /**
   * One of three. A prompt is continued, or read by an encoder-decoder; messages are answered, by the model's own template. With a cache each is what comes
   * after it: no bos is put before a prompt then, and messages are the new ones alone.
   */
  readonly prompt?: string
  readonly messages?: readonly Message[]
  readonly inputIds?: readonly number[]
  /** Texts that end the answer, and aren't part of it; ids do, too. Default: the model's eos. */
  readonly stop?: string | readonly (string | number)[]
}
/** The parameters are the model's. */
type GenerateTokens = <M extends Writer>(
  model: M,
  params: WriterParams<M>,
  options: TokenOptions,
) => AsyncGenerator<readonly (number | null)[], Generated>
type Generate = <M extends Writer>(model: M, params: WriterParams<M>, options: GenerateOptions) => AsyncGenerator<string, Generated>

const ids = list(whole)
export const prompts = option<TokenOptions['inputIds']>(
  ShapeError,
  'a list of ids, or a list of such lists',
  (x) => ids.is(x) || list(ids).is(x),
)
/** One prompt, or several, as a list of them. */
export const rowsIn = (inputIds: TokenOptions['inputIds']): readonly (readonly number[])[] =>
  (Array.isArray(inputIds[0]) ? inputIds : [inputIds]) as readonly (readonly number[])[]
export const isSignal = option<AbortSignal>(ArgumentError, 'an AbortSignal', (x) => typeof x === 'object' && x !== null && 'aborted' in x)
/** Of a new cache. */
export const cacheDType = dtypeAmong('float32', 'float16', 'bfloat16')
const samplingOptions: Schema<SamplingOptions> = {
  temperature: option(ArgumentError, 'a number of at least 0', (x) => typeof x === 'number' && x >= 0 && x < Infinity),
  topK: atLeast(1),
  topP: share,
  minP: share,
  repetitionPenalty: aboveZero,
  logits: func(),
  key: array,
}
const common = { maxNewTokens: atLeast(0), cache: encoderDecoderCacheKind, capacity: atLeast(1), dtype: cacheDType, signal: isSignal } // prettier-ignore
const tokenOptions: Schema<TokenOptions> = {
  ...samplingOptions,
  ...common,
  inputIds: needed(prompts),
  eos: ids,
}
const message = option<Message>(
  ArgumentError,
  'a message { role, content }',
  (x) => typeof x === 'object' && x !== null && 'role' in x && typeof x.role === 'string' && 'content' in x,
)
const generateOptions: Schema<GenerateOptions> = {
  ...{
    ...samplingOptions,
    ...common,
    tokenizer: { ...plainObject<Tokenizer>(), needed: true },
    prompt: text,
    messages: list(message),
    inputIds: ids,
  },
  stop: either(text, list(either(text, whole))),
}

/** Which of the knobs are turned, with commas between: another set is another program, another value isn't. A text, since lists of one content differ. */
type Knobs = string
interface Programs {
  /** What is said before, the cache, and what an encoder reads first: the last real token's logits [B,V], and the cache. */
  readonly prefill: (params: WriterParams, cache: Cache, said: Rows, read: Rows | null) => readonly [NdArray, Cache]
  /** A row that isn't live is left as it was; null: all are. */
  readonly step: (params: WriterParams, cache: Cache, token: NdArray, live: NdArray | null) => readonly [NdArray, Cache]
  readonly choose: (
    logits: NdArray,
    seen: NdArray,
    key: NdArray,
    values: Readonly<Record<string, number>>,
    knobs: Knobs,
  ) => readonly [NdArray, NdArray]
  /** `step` and `choose` in one, and the next key. */
  readonly next: (
    params: WriterParams,
    cache: Cache,
    token: NdArray,
    seen: NdArray,
    key: NdArray,
    values: Readonly<Record<string, number>>,
    knobs: Knobs,
    live: NdArray | null,
  ) => readonly [token: NdArray, seen: NdArray, key: NdArray, cache: Cache]
}
/** By model, held by it: what was compiled for one call serves the next. */
const programs = new WeakMap<Writer, Programs>()
const programsOf = (model: Writer): Programs => {
  const known = programs.get(model)
  if (known !== undefined) return known
  const settings = (values: Readonly<Record<string, number>>, knobs: Knobs): Sampling => {
    const turned = knobs.split(',')
    const knob = (name: keyof Sampling): NdArray | number | null => (turned.includes(name) ? values[name]! : null)
    return { temperature: knob('temperature'), topK: knob('topK'), topP: knob('topP'), minP: knob('minP'), repetitionPenalty: knob('repetitionPenalty') } // prettier-ignore
  }
  const choose: Programs['choose'] = (logits, seen, key, values, knobs) => {
    const token = sampled(logits, seen, key, settings(values, knobs))
    const B = token.shape[0]!
    return [token, knobs.split(',').includes('repetitionPenalty') ? seen.at(iota([B], 'int32', 0), token).set(true) : seen]
  }
  const step: Programs['step'] = (params, cache, token, live) => applied(model, params, cache, np.expandDims(token, 1), live, null)
  const made: Programs = {
    prefill: jit(
      (params: WriterParams, cache: Cache, { ids, mask }: Rows, read: Rows | null) => applied(model, params, cache, ids, mask, read),
      { donateArgnums: [1] },
    ),
    step: jit(step, { donateArgnums: [1] }),
    choose: jit(choose, { staticArgnums: [4] }),
    next: jit(
      (params, cache, token, seen, key, values, knobs, live) => {
        const [logits, after] = step(params, cache, token, live)
        const [own, other] = random.split(key) as unknown as readonly [NdArray, NdArray]
        const [chosen, marked] = choose(logits, seen, own, values, knobs)
        return [chosen, marked, other, after] as const
      },
      { staticArgnums: [6], donateArgnums: [1] },
    ) as Programs['next'],
  }
  programs.set(model, made)
  return made
}

/** Told as the call's own. */
async function* tokensOf(
  what: string,
  model: Writer,
  params: WriterParams,
  own: TokenOptions,
): AsyncGenerator<readonly (number | null)[], Generated> {
  const { maxNewTokens = 128, eos = [], signal, logits: hook } = own
  const prompts = rowsIn(own.inputIds)
  mustWrite(what, model, params)
  const { prefill, step, choose, next } = programsOf(model)
  const { vocab } = model.config
  const B = prompts.length
  if (own.cache !== undefined && own.cache.lengths.shape[0] !== B)
    throw new ShapeError(
      `${what}: a cache of batch ${own.cache.lengths.shape[0]} can't go on with a batch of ${B}: one prompt for each row is needed`,
    )
  mustBeIds(what, model, prompts)
  // Without a cache an encoder-decoder reads the prompts, and begins to write.
  const reads = model.kind === 'encoderDecoder' && own.cache === undefined
  const begun = reads ? prompts.map(() => [model.config.start]) : prompts
  const longest = lengthOf(begun)
  if (own.cache !== undefined && isTaken(own.cache))
    throw new ArgumentError(
      `${what}: this cache was taken over by an earlier call: go on from that call's result, or give each call a copy`,
    )
  const before = own.cache === undefined ? 0 : Math.max(...((await own.cache.lengths.data()) as unknown as readonly number[]))
  const needed = before + longest + maxNewTokens
  const capacity = own.capacity ?? Math.ceil(needed / 64) * 64
  const cache = own.cache ?? model.cache(B, capacity, { dtype: own.dtype ?? (params.embed.w.dtype as DType & 'float32') })
  const places = placesOf(model)
  const room = Math.min(own.cache === undefined ? capacity : roomOf(model, own.cache), places)
  if (needed > room)
    throw new ShapeError(
      `${what}: ${before} positions before, a prompt of ${longest} and ${maxNewTokens} new tokens are ${needed}, and there is room for ${room}: ${
        room === places ? 'the model has no more positions' : 'give a larger capacity'
      }`,
    )
  const values = Object.fromEntries(
    (['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty'] as const).flatMap((name) => {
      const value = own[name]
      return value === undefined || (name === 'temperature' && value === 0) ? [] : [[name, value]]
    }),
  ) as Readonly<Record<string, number>>
  const knobs: Knobs = Object.keys(values).join()
  const tokens: number[][] = prompts.map(() => [])
  const done = prompts.map(() => false)
  /** Of each row, whether the cache lacks its last token. */
  let owed = prompts.map(() => false)
  const all = begun.map((row) => [...row])
  const width = reads ? 1 : Math.min(bucketOf(longest), room - before)
  let seen: NdArray = np.zeros([B, 'repetitionPenalty' in values ? vocab : 1], 'bool')
  if ('repetitionPenalty' in values) for (const [i, row] of begun.entries()) seen = seen.at(i, np.array(Int32Array.from(row))).set(true)
  const hooked = async (logits: NdArray): Promise<NdArray> => {
    const given = hook!(np.astype(logits, 'float32'), all)
    if (!(given instanceof NdArray) || given.shape.join() !== logits.shape.join())
      throw new ShapeError(`${what}: the option logits gives ${show(given)}, and [${logits.shape.join(',')}] was expected`)
    return given
  }
  const read = reads ? padded(prompts, bucketOf(lengthOf(prompts))) : null
  let [logits, state] = prefill(params, cache, padded(begun, width), read)
  let key = own.key ?? random.key(0)
  const split = (): NdArray => {
    const [now, later] = random.split(key) as unknown as readonly [NdArray, NdArray]
    key = later
    return now
  }
  let token: NdArray
  const live = (): NdArray | null => (owed.every(Boolean) ? null : np.array(Int32Array.from(owed, Number)).reshape(B, 1))
  for (let n = 0; n < maxNewTokens; n++) {
    if (signal?.aborted === true) break
    if (n > 0 && hook === undefined) [token, seen, key, state] = next(params, state, token!, seen, key, values, knobs, live())
    else {
      if (n > 0) [logits, state] = step(params, state, token!, live())
      ;[token, seen] = choose(hook === undefined ? logits : await hooked(logits), seen, split(), values, knobs)
    }
    const chosen = [...((await token.data()) as unknown as Iterable<number>)]
    owed = done.map((over) => !over)
    const fresh = chosen.map((id, i) => {
      if (done[i]!) return null
      tokens[i]!.push(id)
      all[i]!.push(id)
      done[i] = eos.includes(id)
      return id
    })
    yield fresh
    if (done.every(Boolean)) break
  }
  if (owed.some(Boolean))
    state = hook === undefined ? next(params, state, token!, seen, key, values, knobs, live())[3] : step(params, state, token!, live())[1]
  return { tokens, cache: state }
}
/**
 * New ids, one for each row as they come; null for a row that is done. Draws, penalties and the choice run on the device; an id is all that is read.
 *
 * @example for await (const [id] of generateTokens(model, params, { inputIds: [1, 5, 9], maxNewTokens: 20 })) console.log(id)
 * @throws ShapeError where the ids don't fit the cache, or there are none; ArgumentError for an id outside the vocabulary
 */
export const generateTokens: GenerateTokens = /* @__PURE__ */ takesOptions(
  'generateTokens',
  3,
  tokenOptions,
  (model: Writer, params: WriterParams, options: TokenOptions) => tokensOf('generateTokens', model, params, options),
)
/**
 * Text as it comes, never half a character. The generator's own result is the ids, and the cache with all that was said, after which a next call goes on.
 * One prompt a call: several are `generateTokens`' or `beamSearch`'s.
 *
 * @example for await (const piece of generate(model, params, { prompt: 'Once upon a time', tokenizer })) process.stdout.write(piece)
 * @throws ArgumentError where not one of prompt, messages and inputIds is given; ShapeError where they don't fit the cache
 */
export const generate: Generate = /* @__PURE__ */ takesOptions(
  'generate',
  3,
  generateOptions,
  async function* (model: Writer, params: WriterParams, options: GenerateOptions): AsyncGenerator<string, Generated> {
    const what = 'generate'
    mustWrite(what, model, params)
    const { tokenizer, prompt, messages, inputIds, stop, ...rest } = options
    const given = [prompt, messages, inputIds].filter((x) => x !== undefined).length
    if (given !== 1) throw new ArgumentError(`${what}: one of prompt, messages and inputIds is needed, and ${given} are given`)
    const stops = typeof stop === 'string' ? [stop] : (stop ?? model.eos)
    const eos = stops.filter((s): s is number => typeof s === 'number')
    const own =
      inputIds ?? tokenizer.encode(prompt ?? tokenizer.chat(messages!), { special: prompt !== undefined && rest.cache === undefined })
    const texts = stops.filter((s): s is string => typeof s === 'string')
    const stream = new TextStream(tokenizer, texts, model.kind === 'encoderDecoder' && rest.cache === undefined ? [] : own)
    const stopped = { aborted: false }
    const signal = { get aborted() { return stopped.aborted || rest.signal?.aborted === true } } as AbortSignal // prettier-ignore
    const from = tokensOf(what, model, params, { ...rest, inputIds: own, eos, signal })
    for (;;) {
      const { done, value } = await from.next()
      if (done === true) {
        const last = stream.end()
        if (last !== '') yield last
        return value
      }
      const [id] = value
      if (id === null || id === undefined || eos.includes(id)) continue
      const piece = stream.push(id)
      if (piece !== '') yield piece
      if (stream.stopped) stopped.aborted = true
    }
  },
)
