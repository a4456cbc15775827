/**
 * `cotangent/text`: tokenizers and chat templates of released models.
 *
 * @example
 * import { tokenizerOf } from 'cotangent/text'
 * const json = { version: '1.0', added_tokens: [], model: { type: 'WordLevel', vocab: { hi: 0, '?': 1 }, unk_token: '?' }, pre_tokenizer: { type: 'Whitespace' } }
 * tokenizerOf(json).encode('hi you hi') // [0, 1, 0]
 */
import '../runtime.ts'
export { TextStream } from './stream.ts'
export { type ChatOptions, type DecodeOptions, type EncodeOptions, type Message, type Tokenizer, tokenizerOf } from './tokenizer.ts'
