/** Texts to token ids and back, as a model's `tokenizer.json` says: through `@huggingface/tokenizers`, chats through `@huggingface/jinja`. */
import { Template } from '@huggingface/jinja'
import { Tokenizer as Reader } from '@huggingface/tokenizers'
import { ArgumentError } from '../core/errors.ts'
import { flag, optionsOf, recordOf, anything, type Schema } from '../core/options.ts'
import { show } from '../core/show.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { FileError } from '../io/errors.ts'

export interface Message {
  readonly role: string
  readonly content: string
}
export interface EncodeOptions {
  /** With what the model wants around a text, as a first `<s>`; default true. */
  readonly special?: boolean
}
export interface DecodeOptions {
  /** With the names of special tokens; default false. */
  readonly special?: boolean
}
export interface ChatOptions {
  /** Ends where an answer begins; default true. */
  readonly generation?: boolean
  /** What else the model's template knows, as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>
}
const encodeOptions: Schema<EncodeOptions> = { special: flag }
const decodeOptions: Schema<DecodeOptions> = { special: flag }
const chatOptions: Schema<ChatOptions> = { generation: flag, variables: recordOf(anything) }

export interface Tokenizer {
  readonly encode: (text: string, options?: EncodeOptions) => number[]
  readonly decode: (ids: readonly number[], options?: DecodeOptions) => string
  /** A chat as the model's template writes it. @throws FileError where the model has none */
  readonly chat: (messages: readonly Message[], options?: ChatOptions) => string
  readonly hasChat: boolean
  /** How many ids there are: one more than the greatest. */
  readonly vocab: number
  readonly idOf: (token: string) => number | null
  /** Special tokens by role, as `bos` and `eos`. */
  readonly special: Readonly<Record<'bos' | 'eos' | 'pad' | 'unk', number | null>>
  /** What it was made of, to be written again. */
  readonly files: { readonly tokenizer: unknown; readonly config: unknown; readonly template: string | null }
}

type Json = Readonly<Record<string, unknown>>
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null
/** What a file may lack. */
const OPTIONAL = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
const textOf = (what: string, text: unknown): string => {
  if (typeof text !== 'string') throw new ArgumentError(`${what}: a text is needed, and got ${show(text)}`)
  return text
}
/** A token is its text, or an object that has it. */
const tokenOf = (x: unknown): string | null =>
  typeof x === 'string' ? x : typeof x === 'object' && x !== null && 'content' in x && typeof x.content === 'string' ? x.content : null

/**
 * The tokenizer of a model: `tokenizer.json` and `tokenizer_config.json`, parsed, and the text of `chat_template.jinja`, if there is one.
 *
 * @example const { encode, decode } = tokenizerOf(JSON.parse(text))
 * @throws FileError where the files aren't a tokenizer's
 */
export const tokenizerOf = /* @__PURE__ */ takes(
  'tokenizerOf',
  3,
  (tokenizer: unknown, config: unknown = {}, template: string | null = null): Tokenizer => {
    if (typeof tokenizer !== 'object' || tokenizer === null || typeof config !== 'object' || config === null)
      throw new FileError(`tokenizer.json is ${show(tokenizer)}, and an object with a model was expected`)
    const own = config as Json
    checkIds(tokenizer as Json)
    let reader: Reader
    try {
      reader = new Reader({ ...OPTIONAL, ...tokenizer }, own)
    } catch (cause) {
      throw new FileError(`tokenizer.json can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
    const ids = [...reader.get_vocab(true).values()]
    const idOf = (token: string): number | null => reader.token_to_id(token) ?? null
    const role = (name: string): number | null => {
      const token = tokenOf(own[`${name}_token`])
      return token === null ? null : idOf(token)
    }
    const written = template ?? templateOf(own['chat_template'])
    const compiled = written === null ? null : compiledOf(written)
    const names = Object.fromEntries(['bos', 'eos', 'pad', 'unk'].map((name) => [`${name}_token`, tokenOf(own[`${name}_token`])]))
    return {
      encode: takesOptions('tokenizer.encode', 2, encodeOptions, (text: string, { special = true }: EncodeOptions = {}) =>
        textOf('tokenizer.encode', text) === '' && !special ? [] : reader.encode(text, { add_special_tokens: special }).ids,
      ),
      decode: takesOptions('tokenizer.decode', 2, decodeOptions, (list: readonly number[], { special = false }: DecodeOptions = {}) => {
        if (!Array.isArray(list) || !list.every((id) => Number.isInteger(id)))
          throw new ArgumentError(`tokenizer.decode: a list of ids is needed, and got ${show(list)}`)
        return list.length === 0 ? '' : reader.decode(list as number[], { skip_special_tokens: !special })
      }),
      chat: (messages, options) => {
        const { generation = true, variables = {} } = optionsOf('tokenizer.chat', chatOptions, options)
        if (compiled === null) throw new FileError('tokenizer.chat: the model has no chat template: write the prompt yourself')
        try {
          return compiled.render({ ...names, ...variables, messages, add_generation_prompt: generation })
        } catch (cause) {
          throw new FileError(`tokenizer.chat: the template refuses: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
        }
      },
      hasChat: compiled !== null,
      vocab: ids.reduce((most, id) => Math.max(most, id + 1), 0),
      idOf,
      special: { bos: role('bos'), eos: role('eos'), pad: role('pad'), unk: role('unk') },
      files: { tokenizer, config, template },
    }
  },
)
/** Lists are made that are as long as the greatest id, before it is compared with a model's. */
const MOST = 1 << 24
const checkIds = ({ model, added_tokens: added }: Json): void => {
  const vocab: unknown = isObject(model) ? model['vocab'] : null
  const named = isObject(vocab) && !Array.isArray(vocab) ? Object.entries(vocab) : []
  const more = Array.isArray(added) ? (added as readonly unknown[]).map((token) => (isObject(token) ? [token['content'], token['id']] : [token, undefined])) : [] // prettier-ignore
  for (const [token, id] of [...named, ...more])
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= MOST)
      throw new FileError(`tokenizer.json can't be read: the id of ${show(token)} is ${show(id)}: a whole number from 0 to ${MOST - 1} was expected`) // prettier-ignore
}
/** A template is a text, or a list of named ones. */
const templateOf = (x: unknown): string | null => {
  if (x === undefined || x === null) return null
  if (typeof x === 'string') return x
  const named = (Array.isArray(x) ? x : []).filter(isObject)
  const chosen = (named.find(({ name }) => name === 'default') ?? named[0])?.['template']
  if (typeof chosen === 'string') return chosen
  throw new FileError(`tokenizer_config.json: chat_template is ${show(x)}: a text, or a list of named ones, was expected`)
}
const compiledOf = (text: string): Template => {
  try {
    return new Template(text)
  } catch (cause) {
    throw new FileError(`the chat template can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
