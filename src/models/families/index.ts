/** The families, each one file. */
import type { DecoderConfig } from '../decoder.ts'
import type { EncoderConfig } from '../encoder.ts'
import type { EncoderDecoderConfig } from '../encoderDecoder.ts'
import { bert, roberta } from './bert.ts'
import { distilbert } from './distilbert.ts'
import type { Family } from './family.ts'
import { gemma, gemma1 } from './gemma.ts'
import { gpt2 } from './gpt2.ts'
import { llama, mistral } from './llama.ts'
import { modernbert } from './modernbert.ts'
import { phi } from './phi.ts'
import { qwen } from './qwen.ts'
import { t5, t5Encoder } from './t5.ts'
import { vit } from './vit.ts'

export const families: readonly (Family<DecoderConfig> | Family<EncoderConfig> | Family<EncoderDecoderConfig>)[] = [
  ...[gpt2, llama, mistral, qwen, gemma1, gemma, phi],
  ...[bert, roberta, distilbert, modernbert, vit],
  ...[t5Encoder, t5],
]
