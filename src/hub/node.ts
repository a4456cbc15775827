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
import { plainObject, type Schema, text } from '../core/options.ts'
import { promised, takesOptions } from '../core/takes.ts'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { writeAtomically, writeSafetensors } from '../io/node.ts'
import type { Kind, Model } from '../models/model.ts'
import { nameOf } from '../models/names.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import * as tree from '../tree.ts'
import { droppedFiles, type Files, hubUrl, isHubId, isUrl, urlFiles, within } from './files.ts'
import { folderFiles, isFolder } from './folder.ts'
import { cachedFiles, type CacheOptions, endpoint, isOffline } from './hubCache.ts'
import { askingOf, type Load, type Loaded, loadFrom, type LoadOptions as PortableOptions, loadOptions } from './load.ts'

export type { Loaded } from './load.ts'
export type { Progress } from './progress.ts'

/** How a model is loaded, and where what is downloaded is kept. */
export type LoadOptions<K extends Kind = Kind> = PortableOptions<K> & CacheOptions
const options: Schema<LoadOptions> = { ...loadOptions, cacheDir: text }
const filesOf = async (source: string | readonly File[], options: LoadOptions): Promise<Files> => {
  if (Array.isArray(source) && source.every((file) => file instanceof Blob)) return droppedFiles(source as File[])
  if (isUrl(source)) return urlFiles(source, source.replace(/\/*$/, '/'), askingOf(options))
  if (typeof source === 'string' && (/^[./~]|^[A-Za-z]:[\\/]/.test(source) || (await isFolder(source)))) return folderFiles(source)
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
/**
 * Writes a folder that Transformers, and `load`, read: config.json, model.safetensors, and the tokenizer's files where it is given. Each file
 * is there whole or as it was.
 *
 * @example await save('./tuned', model, params, { tokenizer })
 * @throws FileError (the promise rejects) where it can't be written
 */
export const save = /* @__PURE__ */ promised(
  takesOptions('save', 4, saveOptions, async (folder: string, model: Model, params: unknown, options: SaveOptions = {}): Promise<void> => {
    if (typeof folder !== 'string') throw new ArgumentError(`save: a folder is needed, a text, and got ${show(folder)}`)
    const { tokenizer } = options
    const paths = tree.paths(params)
    const tensors = Object.fromEntries((tree.leaves(params) as NdArray[]).map((x, i) => [nameOf(model.naming, paths[i]!), x]))
    const dtype = Object.values(tensors)[0]?.dtype ?? 'float32'
    const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
    try {
      await mkdir(folder, { recursive: true })
    } catch (cause) {
      throw new FileError(`${folder} can't be made: ${(cause as Error).message}`, { cause })
    }
    await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' })
    await writeAtomically(join(folder, 'config.json'), json({ ...model.json, dtype }))
    if (tokenizer === undefined) return
    const { files } = tokenizer
    await writeAtomically(join(folder, 'tokenizer.json'), json(files.tokenizer))
    await writeAtomically(join(folder, 'tokenizer_config.json'), json(files.config))
    if (files.template !== null) await writeAtomically(join(folder, 'chat_template.jinja'), files.template)
  }),
)
