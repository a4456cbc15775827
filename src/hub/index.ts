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
import { droppedFiles, hubFiles, isHubId, urlFiles, within } from './files.ts'
import { type Load, type Loaded, loadFrom, type LoadOptions, loadOptions } from './load.ts'

export type { Loaded, LoadOptions, Progress } from './load.ts'

/**
 * The model, its parameters and its tokenizer. Tensors are read one by one, so that no more than one is in memory twice.
 *
 * @example const { model, params, tokenizer } = await load('HuggingFaceTB/SmolLM2-135M', { dtype: 'float16' })
 * @throws FileError (the promise rejects) for an unknown architecture, field or switch, and listing tensors that are missing, misshapen or have no place
 */
export const load: Load = /* @__PURE__ */ promised(
  takesOptions('load', 2, loadOptions, async (source: string | readonly File[], options: LoadOptions = {}): Promise<Loaded> => {
    const { subfolder, revision = 'main', token } = options
    if (Array.isArray(source) && source.every((file) => file instanceof Blob))
      return loadFrom(within(droppedFiles(source as File[]), subfolder), options)
    if (typeof source === 'string' && /^https?:/.test(source)) return loadFrom(within(urlFiles(source, token === undefined ? {} : { authorization: `Bearer ${token}` }), subfolder), options) // prettier-ignore
    if (typeof source === 'string' && isHubId(source)) return loadFrom(within(hubFiles(source, revision, token), subfolder), options)
    throw new ArgumentError(`load: a folder, a URL, a Hub id or a list of files is needed, and got ${show(source)}`)
  }),
) as Load
