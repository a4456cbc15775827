/** The families, each one file. */
import type { Family } from './family.ts'
import { gemma, gemma1 } from './gemma.ts'
import { gpt2 } from './gpt2.ts'
import { llama } from './llama.ts'
import { phi } from './phi.ts'
import { qwen } from './qwen.ts'

export const families: readonly Family[] = [gpt2, llama, qwen, gemma1, gemma, phi]
