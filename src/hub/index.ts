/**
 * `cotangent/hub`: pretrained models from a folder (in Node), a URL, the Hugging Face Hub, or files that a user dropped.
 *
 * @example
 * import { load } from 'cotangent/hub'
 * await load([]).catch((error: Error) => error.message) // "no config.json in the given files: a model's folder, in Hugging Face's form, has one"
 */
import '../runtime.ts'
import { ArgumentError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import { promised, takesOptions } from '../core/takes.ts'
import { checkPlace, droppedFiles, type Files, hubUrl, isHubId, isUrl, urlFiles, within } from './files.ts'
import { askingOf, type Load, type Loaded, loadFrom, type LoadOptions, loadOptions } from './load.ts'
import { keptFiles } from './opfs.ts'

export type { Loaded, LoadOptions } from './load.ts'
export type { Progress } from './progress.ts'

const filesOf = async (source: string | readonly File[], options: LoadOptions): Promise<Files> => {
  const dropped = Array.isArray(source) && source.every((file) => file instanceof Blob)
  checkPlace(options, dropped ? 'a list of files' : isUrl(source) ? `the URL ${source}` : null)
  if (dropped) return droppedFiles(source as File[])
  const { revision = 'main', cache = true, onProgress } = options
  const base = isUrl(source) ? source.replace(/\/*$/, '/') : isHubId(source) ? hubUrl(source, revision) : null
  if (base === null) throw new ArgumentError(`load: a URL, a Hub id or a list of files is needed, and got ${show(source)}`)
  const [what, asking] = [source as string, askingOf(options)]
  return cache ? keptFiles(what, base, asking, onProgress) : urlFiles(what, base, asking)
}

/**
 * The model, its parameters and its tokenizer. Tensors are read one by one, so that no more than one is in memory twice. What is downloaded is
 * kept, unless `cache` is false: a load that broke off goes on where it did, and one without a network takes what was kept.
 *
 * @example const { model, params, tokenizer } = await load('HuggingFaceTB/SmolLM2-135M', { dtype: 'float16' })
 * @throws FileError (the promise rejects) for an unknown architecture, field or switch, listing tensors that are missing, misshapen or have no
 * place, and for what can't be reached after six tries
 */
export const load: Load = /* @__PURE__ */ promised(
  takesOptions('load', 2, loadOptions, async (source: string | readonly File[], options: LoadOptions = {}): Promise<Loaded> =>
    loadFrom(within(await filesOf(source, options), options.subfolder), options),
  ),
) as Load
