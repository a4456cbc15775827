/** A model from its files: the configuration, the parameters tensor by tensor, the tokenizer. */
import type { NdArray } from '../core/array.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { dtypeAmong, flag, func, oneOf, option, type Schema, text } from '../core/options.ts'
import { show } from '../core/show.ts'
import type { Cast, FileDType } from '../io/dtypes.ts'
import { FileError } from '../io/errors.ts'
import { type Entry, type OpenSafetensors, openSafetensors } from '../io/ranges.ts'
import { Fields } from '../models/hfConfig.ts'
import { fromConfig, type Kind, type Model, type Models, type Params } from '../models/model.ts'
import { type Layout, layoutOf as modelLayout, matched } from '../models/names.ts'
import { type Tokenizer, tokenizerOf } from '../text/tokenizer.ts'
import * as tree from '../tree.ts'
import type { Asking } from './fetching.ts'
import type { Files } from './files.ts'
import type { OnProgress } from './progress.ts'

export interface LoadOptions<K extends Kind = Kind> {
  /**
   * What is expected: 'decoder', the default, writes texts; 'reader' is one that gives states, classes or answers; 'encoder' reads them, or pictures; 'encoderDecoder' reads one and writes
   * another.
   */
  readonly kind?: K
  /** What floats become; default: as the files have them. */
  readonly dtype?: 'float32' | 'float16' | 'bfloat16'
  /** A folder within the source. */
  readonly subfolder?: string
  /** A branch, tag or commit of the Hub; default main. */
  readonly revision?: string
  /** For what isn't public on the Hub. */
  readonly token?: string
  /**
   * Whether files of the Hub are kept for the next time, so that a download that broke off goes on and a later load needs no network: in Node
   * in Hugging Face's cache, in browsers in the page's own file system, where files of URLs are kept, too. Default: true.
   */
  readonly cache?: boolean
  /** Ends the load: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}
export const loadOptions: Schema<LoadOptions> = {
  kind: oneOf('decoder', 'reader', 'encoder', 'encoderDecoder'),
  dtype: dtypeAmong('float32', 'float16', 'bfloat16'),
  subfolder: text,
  revision: text,
  token: text,
  cache: flag,
  signal: option(ArgumentError, 'an AbortSignal', (x) => x instanceof AbortSignal),
  onProgress: func(),
}
export interface Loaded<K extends Kind = Kind> {
  readonly model: Models[K]
  readonly params: Params[K]
  /** null where the source has none. */
  readonly tokenizer: Tokenizer | null
}

const called: Readonly<Record<Kind, string>> = {
  decoder: 'a decoder',
  reader: 'a decoder without a head that writes',
  encoder: 'an encoder',
  encoderDecoder: 'an encoder-decoder',
}
const parsed = async (files: Files, name: string): Promise<Readonly<Record<string, unknown>> | null> => {
  const source = await files.text(name)
  if (source === null) return null
  try {
    const value: unknown = JSON.parse(source)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw new FileError(`${files.what}/${name} is no JSON: ${(cause as Error).message}`, { cause })
  }
  throw new FileError(`${files.what}/${name} isn't an object`)
}

/** Its kind is the one that is asked for, and 'decoder' where none is. */
export type Load<O = unknown> = <K extends Kind = 'decoder'>(source: string | readonly File[], options?: LoadOptions<K> & O) => Promise<Loaded<K>> // prettier-ignore
/** How servers are asked. */
export const askingOf = ({ token, signal }: LoadOptions): Asking => ({
  headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  signal,
})

export const loadFrom = async (files: Files, options: LoadOptions): Promise<Loaded> => {
  const { kind = 'decoder', signal } = options
  signal?.throwIfAborted()
  const json = await parsed(files, 'config.json')
  if (json === null) throw new FileError(`no config.json in ${files.what}: a model's folder, in Hugging Face's form, has one`)
  const model = fromConfig(json, `${files.what}/config.json`)
  if (model.kind !== kind)
    throw new ArgumentError(
      `load: ${files.what} is ${called[model.kind]}, and ${called[kind]} was asked for: { kind: '${model.kind}' } loads it`,
    )
  const tokenizer = await tokenizerFrom(files)
  if (tokenizer !== null && model.config.vocab !== null && tokenizer.vocab > model.config.vocab)
    throw new FileError(
      `${files.what}: the tokenizer has ${tokenizer.vocab} ids, and the model ${model.config.vocab}: they aren't of one model`,
    )
  const generation = await parsed(files, 'generation_config.json')
  const eos = new Fields(generation ?? {}, `${files.what}/generation_config.json`).ids('eos_token_id')
  const params = await paramsFrom(files, model, options)
  await files.done?.()
  return {
    model: eos.length === 0 || model.kind === 'encoder' || model.kind === 'reader' ? model : { ...model, eos },
    params,
    tokenizer,
  } as Loaded
}

export const tokenizerFrom = async (files: Files): Promise<Tokenizer | null> => {
  const json = await parsed(files, 'tokenizer.json')
  if (json === null) return null
  return tokenizerOf(json, (await parsed(files, 'tokenizer_config.json')) ?? {}, await files.text('chat_template.jinja'))
}

interface Shard {
  readonly file: string
  readonly open: OpenSafetensors
  readonly close: () => Promise<void>
}
const WHOLE = 'model.safetensors'
/** The files that an index names. */
const indexed = async (files: Files): Promise<readonly string[]> => {
  const index = await parsed(files, `${WHOLE}.index.json`)
  if (index === null) throw new FileError(`${files.what} has no ${WHOLE}, nor an index of several`)
  const map = index['weight_map']
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new FileError(`${files.what}/${WHOLE}.index.json has no weight_map`)
  return [...new Set<unknown>(Object.values(map))].map((file) => {
    // A name that leads elsewhere isn't one of a model's files.
    if (typeof file === 'string' && /^[\w.-]+$/.test(file) && !file.startsWith('.')) return file
    throw new FileError(`${files.what}: the index names ${show(file)}, which is no file of the folder`)
  })
}
/** The files that hold the tensors: one, or several. */
const shardsOf = async (files: Files): Promise<readonly Shard[]> => {
  const shards: Shard[] = []
  const opened: Pick<Shard, 'close'>[] = []
  const found = async (file: string): Promise<boolean> => {
    const ranges = await files.open(file)
    if (ranges === null) return false
    // Closed with the others, whatever its header says.
    opened.push(ranges)
    shards.push({ file, open: await openSafetensors(ranges, `${files.what}/${file}`), close: ranges.close })
    return true
  }
  try {
    // The one before an index, which may be left of what was in the folder before: so do Transformers.
    if (await found(WHOLE)) return shards
    for (const file of await indexed(files)) if (!(await found(file))) throw new FileError(`${files.what} has no ${file}`)
  } catch (error) {
    await closed(opened)
    throw error
  }
  return shards
}
const closed = async (shards: readonly Pick<Shard, 'close'>[]): Promise<void> =>
  void (await Promise.all(shards.map(({ close }) => close())))

const FLOATS: readonly FileDType[] = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2']
const layoutOf = (what: string, model: Model): Layout => {
  try {
    return modelLayout(model.init)
  } catch (cause) {
    if (!(cause instanceof ShapeError)) throw cause
    throw new FileError(`${what}/config.json: no model is as large as it says: ${cause.message}`, { cause })
  }
}

const paramsFrom = async (files: Files, model: Model, { dtype, signal, onProgress }: LoadOptions): Promise<Params[Kind]> => {
  const shards = await shardsOf(files)
  try {
    const places = new Map<string, readonly [Entry, Shard]>()
    for (const shard of shards)
      for (const entry of shard.open.entries) {
        if (places.has(entry.name))
          throw new FileError(`${files.what} holds ${entry.name} twice: in ${places.get(entry.name)![1].file} and ${shard.file}`)
        places.set(entry.name, [entry, shard])
      }
    const layout = layoutOf(files.what, model)
    const shapes = new Map([...places].map(([name, [{ shape }]]) => [name, shape]))
    const names = matched(model.naming, layout, { what: files.what, shapes })
    const whole = names.filter((name) => !FLOATS.includes(places.get(name)![0].dtype))
    if (whole.length > 0)
      throw new FileError(`${files.what} doesn't fit the model: of a dtype that is no float: ${whole.map((name) => `${name}: ${places.get(name)![0].dtype}`).join('; ')}`) // prettier-ignore
    const floats = dtype === undefined ? {} : Object.fromEntries(FLOATS.map((from) => [from, dtype]))
    const total = names.reduce((n, name) => n + places.get(name)![0].end - places.get(name)![0].begin, 0)
    let loaded = 0
    const leaves: NdArray[] = []
    for (const name of names) {
      signal?.throwIfAborted()
      const [entry, { file, open }] = places.get(name)!
      leaves.push(await open.tensor(entry, { cast: floats as Cast }))
      loaded += entry.end - entry.begin
      onProgress?.({ stage: 'read', file, loaded, total })
    }
    return tree.unflatten(layout.def, leaves) as Params[Kind]
  } finally {
    await closed(shards)
  }
}
