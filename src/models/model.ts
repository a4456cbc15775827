/** A model: a configuration, and pure functions of parameters and inputs. */
import type { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { dtypeAmong, type Schema } from '../core/options.ts'
import { show } from '../core/show.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { FileError } from '../io/errors.ts'
import { wholeOf } from '../numpy/check.ts'
import { keyOf } from '../random/keys.ts'
import type { Cache } from './cache.ts'
import {
  applyDecoder,
  type DecoderConfig,
  type DecoderInputs,
  type DecoderOptions,
  type DecoderParams,
  type DecoderResult,
  decoderCache,
  decoderOptions,
  initDecoder,
} from './decoder.ts'
import { applyEncoder, type EncoderConfig, type EncoderInputs, type EncoderParams, type EncoderResult, initEncoder } from './encoder.ts'
import {
  applyEncoderDecoder,
  type EncoderDecoderCache,
  encoderDecoderCache,
  type EncoderDecoderConfig,
  type EncoderDecoderInputs,
  encoderDecoderOptions,
  type EncoderDecoderOptions,
  type EncoderDecoderParams,
  type EncoderDecoderResult,
  initEncoderDecoder,
} from './encoderDecoder.ts'
import { labelsOf } from './families/bert.ts'
import { type Family, isHeadless } from './families/family.ts'
import { families } from './families/index.ts'
import { Fields, type Json } from './hfConfig.ts'
import { type LayersOptions, layersOptions } from './layers.ts'
import type { Naming } from './names.ts'
import { applyReader, initReader, type ReaderConfig, type ReaderResult } from './reader.ts'

export interface InitOptions {
  /** Default float32. */
  readonly dtype?: DType
}
const initOptions: Schema<InitOptions> = { dtype: dtypeAmong('float32', 'float16', 'bfloat16', 'float64') }
interface Described {
  /** What Hugging Face calls its parts. */
  readonly naming: Naming
  /** The config.json that it was made of. */
  readonly json: Json
}
export interface DecoderModel extends Described {
  readonly kind: 'decoder'
  readonly config: DecoderConfig
  /** Ids that end a text. */
  readonly eos: readonly number[]
  /** Of normal draws, scales of 1 and biases of 0. */
  readonly init: (key: NdArray, options?: InitOptions) => DecoderParams
  readonly apply: (params: DecoderParams, inputs: DecoderInputs, options?: DecoderOptions) => DecoderResult
  /** An empty cache for so many rows of so many positions. */
  readonly cache: (batch: number, capacity: number, options?: InitOptions) => Cache
}
export interface EncoderModel extends Described {
  readonly kind: 'encoder'
  readonly config: EncoderConfig
  readonly init: (key: NdArray, options?: InitOptions) => EncoderParams
  readonly apply: (params: EncoderParams, inputs: EncoderInputs, options?: LayersOptions) => EncoderResult
}
export interface EncoderDecoderModel extends Described {
  readonly kind: 'encoderDecoder'
  readonly config: EncoderDecoderConfig
  /** Ids that end an answer. */
  readonly eos: readonly number[]
  /** Of normal draws as T5's, scales of 1. */
  readonly init: (key: NdArray, options?: InitOptions) => EncoderDecoderParams
  readonly apply: (params: EncoderDecoderParams, inputs: EncoderDecoderInputs, options?: EncoderDecoderOptions) => EncoderDecoderResult
  /** One that has read nothing, for so many rows of so many positions to write. */
  readonly cache: (batch: number, capacity: number, options?: InitOptions) => EncoderDecoderCache
}
export interface ReaderModel extends Described {
  readonly kind: 'reader'
  readonly config: ReaderConfig
  readonly init: (key: NdArray, options?: InitOptions) => DecoderParams
  readonly apply: (params: DecoderParams, inputs: DecoderInputs, options?: LayersOptions) => ReaderResult
}
/** Models and their parameters by kind. */
export interface Models {
  readonly decoder: DecoderModel
  readonly reader: ReaderModel
  readonly encoder: EncoderModel
  readonly encoderDecoder: EncoderDecoderModel
}
export interface Params {
  readonly decoder: DecoderParams
  readonly reader: DecoderParams
  readonly encoder: EncoderParams
  readonly encoderDecoder: EncoderDecoderParams
}
export type Kind = keyof Models
export type Model = Models[Kind]

const decoderOf = (config: DecoderConfig, naming: Naming, json: Json, eos: readonly number[]): DecoderModel => ({
  kind: 'decoder',
  config,
  naming,
  json,
  eos,
  init: takesOptions('model.init', 2, initOptions, (key: NdArray, { dtype = 'float32' }: InitOptions = {}) =>
    initDecoder(keyOf('model.init', key), config, dtype),
  ),
  apply: takesOptions('model.apply', 3, decoderOptions, (params: DecoderParams, inputs: DecoderInputs, options: DecoderOptions = {}) =>
    applyDecoder(config, params, inputs, options),
  ),
  cache: takesOptions('model.cache', 3, initOptions, (batch: number, capacity: number, { dtype = 'float32' }: InitOptions = {}) =>
    decoderCache(config, wholeOf('model.cache', batch, 1), wholeOf('model.cache', capacity, 1), dtype),
  ),
})
const readerOf = (config: ReaderConfig, naming: Naming, json: Json): ReaderModel => ({
  kind: 'reader',
  config,
  naming,
  json,
  init: takesOptions('model.init', 2, initOptions, (key: NdArray, { dtype = 'float32' }: InitOptions = {}) =>
    initReader(keyOf('model.init', key), config, dtype),
  ),
  apply: takesOptions('model.apply', 3, layersOptions, (params: DecoderParams, inputs: DecoderInputs, options: LayersOptions = {}) =>
    applyReader(config, params, inputs, options),
  ),
})
const encoderOf = (config: EncoderConfig, naming: Naming, json: Json): EncoderModel => ({
  kind: 'encoder',
  config,
  naming,
  json,
  init: takesOptions('model.init', 2, initOptions, (key: NdArray, { dtype = 'float32' }: InitOptions = {}) =>
    initEncoder(keyOf('model.init', key), config, dtype),
  ),
  apply: takesOptions('model.apply', 3, layersOptions, (params: EncoderParams, inputs: EncoderInputs, options: LayersOptions = {}) =>
    applyEncoder(config, params, inputs, options),
  ),
})
const encoderDecoderOf = (config: EncoderDecoderConfig, naming: Naming, json: Json, eos: readonly number[]): EncoderDecoderModel => ({
  kind: 'encoderDecoder',
  config,
  naming,
  json,
  eos,
  init: takesOptions('model.init', 2, initOptions, (key: NdArray, { dtype = 'float32' }: InitOptions = {}) =>
    initEncoderDecoder(keyOf('model.init', key), config, dtype),
  ),
  apply: takesOptions(
    'model.apply',
    3,
    encoderDecoderOptions,
    (params: EncoderDecoderParams, inputs: EncoderDecoderInputs, options: EncoderDecoderOptions = {}) =>
      applyEncoderDecoder(config, params, inputs, options),
  ),
  cache: takesOptions('model.cache', 3, initOptions, (batch: number, capacity: number, { dtype = 'float32' }: InitOptions = {}) =>
    encoderDecoderCache(config, wholeOf('model.cache', batch, 1), wholeOf('model.cache', capacity, 1), dtype),
  ),
})

/** Files of other tasks hold half a model that writes. */
const writes = (fields: Fields, name: string, tasks: readonly string[]): void => {
  if (/(For(Sequence|Token)Classification|ForQuestionAnswering)$/.test(name))
    fields.refuse('architectures', `known here are ${['those that write texts', ...tasks].join(', ')}`)
}
/** A decoder, or one that only reads, as the architecture's name says. */
const textModel = (
  config: DecoderConfig,
  naming: Naming,
  json: Json,
  fields: Fields,
  name: string,
  tasks: NonNullable<Family['tasks']>,
): Model => {
  const known = Object.keys(tasks).find((end) => name.endsWith(end))
  const padding = fields.has('pad_token_id') ? fields.idOrNone('pad_token_id') : null
  if (known === undefined && isHeadless(name)) return readerOf({ ...config, kind: 'reader', head: null, padding }, naming, json)
  if (known === undefined) {
    writes(fields, name, Object.keys(tasks))
    return decoderOf(config, naming, json, fields.ids('eos_token_id'))
  }
  const { of, head, base = naming.base } = tasks[known]!
  const labels = of === 'span' ? 2 : labelsOf(fields)
  const bias = of === 'span' || (of === 'each' && fields.flag('token_classification_bias', true))
  const named = (part: string): string => (part.startsWith(naming.base) ? `${base}${part.slice(naming.base.length)}` : part)
  const names = Object.fromEntries(Object.entries({ ...naming.names, head }).map(([path, part]) => [path, named(part)]))
  return readerOf({ ...config, kind: 'reader', head: { of, labels, bias }, padding }, { ...naming, names, base }, json)
}
/**
 * The model that a Hugging Face config.json describes, parsed. `source` is what errors call it.
 *
 * @example const model = fromConfig(JSON.parse(text))
 * @throws FileError for an architecture, a field or a switch that isn't known, by its name
 */
export const fromConfig = /* @__PURE__ */ takes('fromConfig', 2, (json: Json, source: string = 'config.json'): Model => {
  if (typeof source !== 'string') throw new FileError(`fromConfig: what errors call the config is a text, and got ${show(source)}`)
  const fields = new Fields(json, source)
  const type = fields.text('model_type')
  const [name = ''] = fields.has('architectures') ? fields.texts('architectures') : []
  const related = families.filter(({ types }) => types.includes(type))
  const family = related.find(({ ends = [''] }) => ends.some((end) => name.endsWith(end)))
  if (family === undefined)
    throw new FileError(
      `${source}: model_type is ${type}, and known are ${[...new Set(families.flatMap(({ types }) => types))].join(', ')}`,
    )
  for (const field of ['quantization_config', 'compression_config'])
    if (fields.has(field)) fields.refuse(field, "quantised weights aren't read yet: load the model as it was before, or convert it")
  const config = family.read(fields)
  const names = typeof family.names === 'function' ? family.names(config as never) : family.names
  const { base, older, ignored, tasks = {} } = family
  const naming = { names, base, ...(older === undefined ? {} : { older }), ...(ignored === undefined ? {} : { ignored }) }
  switch (config.kind) {
    case 'decoder':
      return textModel(config, naming, json, fields, name, tasks)
    case 'encoder':
      return encoderOf(config, naming, json)
    case 'encoderDecoder':
      writes(fields, name, related.flatMap(({ ends = [] }) => ends)) // prettier-ignore
      return encoderDecoderOf(config, naming, json, fields.ids('eos_token_id'))
  }
})
