/**
 * `cotangent/hub/node`: what `cotangent/hub` is in Node, where a source may be a folder; and writing one.
 *
 * @example
 * import { load } from 'cotangent/hub/node'
 * await load('./no/such/folder').catch((error: Error) => error.message) // "no config.json in ./no/such/folder: a model's folder, in Hugging Face's form, has one"
 */
import '../runtime.ts'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { NdArray } from '../core/array.ts'
import { ArgumentError } from '../core/errors.ts'
import { plainObject, type Schema } from '../core/options.ts'
import { promised, takesOptions } from '../core/takes.ts'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import { rangesOf } from '../io/fileRanges.ts'
import { writeAtomically, writeSafetensors } from '../io/node.ts'
import type { Model } from '../models/model.ts'
import { nameOf } from '../models/names.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import * as tree from '../tree.ts'
import { type Files, within } from './files.ts'
import { load as portable } from './index.ts'
import { type Load, type Loaded, loadFrom, type LoadOptions, loadOptions } from './load.ts'

export type { Loaded, LoadOptions, Progress } from './load.ts'

const absent = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')
const reading = async <T>(path: string, read: () => Promise<T>): Promise<T | null> => {
  try {
    return await read()
  } catch (cause) {
    if (absent(cause)) return null
    if (cause instanceof FileError) throw cause
    throw new FileError(`${path} can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
const folderFiles = (folder: string): Files => ({
  what: folder,
  text: (name) => reading(join(folder, name), () => readFile(join(folder, name), 'utf8')),
  open: (name) => {
    const path = join(folder, name)
    return reading(path, async () => {
      const file = await open(path, 'r')
      const { size } = await file.stat()
      return { ...rangesOf(file, size, path), close: () => file.close() }
    })
  },
})
const isFolder = async (path: string): Promise<boolean> => (await reading(path, () => stat(path)))?.isDirectory() === true

/**
 * As in browsers, and from a folder: one that exists is meant before a Hub id of the same name.
 *
 * @example const { model, params, tokenizer } = await load('./models/smollm2')
 * @throws FileError (the promise rejects) for an unknown architecture, field or switch, and listing tensors that are missing, misshapen or have no place
 */
export const load: Load = /* @__PURE__ */ promised(
  takesOptions('load', 2, loadOptions, async (source: string | readonly File[], options: LoadOptions = {}): Promise<Loaded> => {
    const path = typeof source === 'string' && !/^https?:/.test(source)
    if (path && (/^[./~]|^[A-Za-z]:[\\/]/.test(source) || (await isFolder(source))))
      return loadFrom(within(folderFiles(source), options.subfolder), options)
    try {
      return await portable(source, options)
    } catch (cause) {
      // A Hub id looks like a folder's name.
      if (!path || !(cause instanceof FileError) || !/^no config\.json|config\.json can't be read/.test(cause.message)) throw cause
      throw new FileError(`${cause.message}; and there is no folder ${source} here`, { cause })
    }
  }),
) as Load

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
    const text = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
    try {
      await mkdir(folder, { recursive: true })
    } catch (cause) {
      throw new FileError(`${folder} can't be made: ${(cause as Error).message}`, { cause })
    }
    await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' })
    await writeAtomically(join(folder, 'config.json'), text({ ...model.json, dtype }))
    if (tokenizer === undefined) return
    const { files } = tokenizer
    await writeAtomically(join(folder, 'tokenizer.json'), text(files.tokenizer))
    await writeAtomically(join(folder, 'tokenizer_config.json'), text(files.config))
    if (files.template !== null) await writeAtomically(join(folder, 'chat_template.jinja'), files.template)
  }),
)
