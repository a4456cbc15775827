/**
 * `cotangent/hub/node`: what `cotangent/hub` is in Node, where a source may be a folder; and writing one.
 *
 * @example
 * import { load } from 'cotangent/hub/node'
 * await load('./no/such/folder').catch((error: Error) => error.message) // "no config.json in ./no/such/folder: a model's folder, in Hugging Face's form, has one"
 */
import '../runtime.ts'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { NdArray } from '../core/array.ts'
import { ArgumentError } from '../core/errors.ts'
import { option, plainObject, type Schema } from '../core/options.ts'
import { promised, takesOptions } from '../core/takes.ts'
import { reading, show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { writeTogether } from '../io/atomic.ts'
import { encodeParts } from '../io/encode.ts'
import type { Kind, Model } from '../models/model.ts'
import { layoutOf, tensorsOf } from '../models/names.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import { checkPlace, droppedFiles, type Files, hubUrl, isHubId, isUrl, urlFiles, within } from './files.ts'
import { folderFiles, isFolder } from './folder.ts'
import { cachedFiles, type CacheOptions, endpoint, isOffline } from './hubCache.ts'
import { askingOf, type Load, type Loaded, loadFrom, type LoadOptions as PortableOptions, loadOptions } from './load.ts'

export type { Loaded } from './load.ts'
export type { Progress } from './progress.ts'

/** How a model is loaded, and where what is downloaded is kept. */
export type LoadOptions<K extends Kind = Kind> = PortableOptions<K> & CacheOptions
const options: Schema<LoadOptions> = {
  ...loadOptions,
  cacheDir: option(ArgumentError, "a folder's path", (x) => typeof x === 'string' && x !== ''),
}
const filesOf = async (source: string | readonly File[], options: LoadOptions): Promise<Files> => {
  const dropped = Array.isArray(source) && source.every((file) => file instanceof Blob)
  const folder = typeof source === 'string' && !isUrl(source) && (/^[./~]|^[A-Za-z]:[\\/]/.test(source) || (await isFolder(source)))
  checkPlace(options, dropped ? 'a list of files' : folder ? `the folder ${source}` : isUrl(source) ? `the URL ${source}` : null)
  if (dropped) return droppedFiles(source as File[])
  if (folder) return folderFiles(source)
  if (isUrl(source)) return urlFiles(source, source.replace(/\/*$/, '/'), askingOf(options))
  if (!isHubId(source)) throw new ArgumentError(`load: a folder, a URL, a Hub id or a list of files is needed, and got ${show(source)}`)
  const token = options.token ?? process.env['HF_TOKEN'] ?? ''
  const own = token === '' ? options : { ...options, token }
  if (options.cache === false && isOffline())
    throw new FileError(`${source} isn't read from the Hub: HF_HUB_OFFLINE is set, and cache is false`)
  if (options.cache === false) return urlFiles(source, hubUrl(source, options.revision ?? 'main', endpoint()), askingOf(own))
  try {
    return await cachedFiles(source, own)
  } catch (cause) {
    // A Hub id looks like a folder's name.
    if (!(cause instanceof FileError)) throw cause
    throw new FileError(`${cause.message}; and there is no folder ${source} here`, { cause })
  }
}

/**
 * As in browsers, and from a folder: one that exists is meant before a Hub id of the same name. What comes from the Hub is kept in Hugging Face's
 * cache, which its Python libraries share; `HF_TOKEN`, `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE` and `HF_ENDPOINT` mean what they do there.
 *
 * @example const { model, params, tokenizer } = await load('./models/smollm2')
 * @throws FileError (the promise rejects) for an unknown architecture, field or switch, listing tensors that are missing, misshapen or have no
 * place, for what can't be reached after six tries, and for a disk that is full
 */
export const load: Load<CacheOptions> = /* @__PURE__ */ promised(
  takesOptions('load', 2, options, async (source: string | readonly File[], options: LoadOptions = {}): Promise<Loaded> =>
    loadFrom(within(await filesOf(source, options), options.subfolder), options),
  ),
) as Load<CacheOptions>

export interface SaveOptions {
  readonly tokenizer?: Tokenizer
}
const saveOptions: Schema<SaveOptions> = { tokenizer: plainObject() }
const isObject = (x: unknown): x is Readonly<Record<string, unknown>> => typeof x === 'object' && x !== null
const isModel = (x: unknown): x is Model => isObject(x) && typeof x['init'] === 'function' && isObject(x['naming']) && isObject(x['json'])
type Written = readonly (readonly [name: string, text: string])[]
const jsonOf = (what: string, value: unknown): string =>
  `${reading(ArgumentError, `save: ${what}`, () => JSON.stringify(value, null, 2))}\n`
/** The model's own, with what is so now: the dtype of its tensors, and the ids that end a text, which another file may have said. */
const configOf = (model: Model, tensors: Readonly<Record<string, NdArray>>): Written => {
  const eos = 'eos' in model ? model.eos : []
  const ends = eos.length === 0 ? {} : { eos_token_id: eos.length === 1 ? eos[0] : eos }
  const dtype = Object.values(tensors)[0]?.dtype ?? 'float32'
  return [['config.json', jsonOf('model.json', { ...model.json, ...ends, dtype })]]
}
const tokenizerFiles = (tokenizer: Tokenizer | undefined): Written => {
  if (tokenizer === undefined) return []
  const { files } = tokenizer
  if (!isObject(files) || !isObject(files.tokenizer) || !isObject(files.config))
    throw new ArgumentError(`save: tokenizer is one that load or tokenizerOf gives, and got ${show(tokenizer)}`)
  return [
    ['tokenizer.json', jsonOf('tokenizer.files.tokenizer', files.tokenizer)],
    ['tokenizer_config.json', jsonOf('tokenizer.files.config', files.config)],
    ...(typeof files.template === 'string' ? [['chat_template.jinja', files.template] as const] : []),
  ]
}
/**
 * Writes a folder that Transformers, and `load`, read: config.json, model.safetensors, and the tokenizer's files where it is given. They take
 * their places once all of them are whole: a disk that is full leaves what was there.
 *
 * @example await save('./tuned', model, params, { tokenizer })
 * @throws FileError (the promise rejects) where it can't be written; ArgumentError for parameters that aren't the model's
 */
export const save = /* @__PURE__ */ promised(
  takesOptions('save', 4, saveOptions, async (folder: string, model: Model, params: unknown, options: SaveOptions = {}): Promise<void> => {
    if (typeof folder !== 'string') throw new ArgumentError(`save: a folder is needed, a text, and got ${show(folder)}`)
    if (!isModel(model)) throw new ArgumentError(`save: a model is needed, as load or fromConfig gives it, and got ${show(model)}`)
    const tensors = tensorsOf(model.naming, layoutOf(model.init), params)
    if (typeof tensors === 'string') throw new ArgumentError(`save: the parameters aren't the model's: ${tensors}`)
    const weights = await encodeParts(tensors, { format: 'pt' })
    const files = [...configOf(model, tensors), ...tokenizerFiles(options.tokenizer)]
    try {
      await mkdir(folder, { recursive: true })
    } catch (cause) {
      throw new FileError(`${folder} can't be made: ${(cause as Error).message}`, { cause })
    }
    await writeTogether([['model.safetensors', weights] as const, ...files].map(([name, contents]) => [join(folder, name), contents]))
  }),
)
