/**
 * `cotangent/text`: tokenizers and chat templates of released models.
 *
 * @example
 * import { tokenizerOf } from 'cotangent/text'
 * const model = { type: 'BPE', vocab: { h: 0, i: 1, hi: 2 }, merges: ['h i'] }
 * tokenizerOf({ version: '1.0', model }).encode('hi') // [2]
 */
import '../runtime.ts'
export { TextStream } from './stream.ts'
export { type ChatOptions, type DecodeOptions, type EncodeOptions, type Message, type Tokenizer, tokenizerOf } from './tokenizer.ts'
