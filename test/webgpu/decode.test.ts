/** What a token asks of a device, counted on Dawn's null backend: dispatches for each layer, submits, and what is read back. */
import { expect, test } from 'vitest'
import { createWebgpu } from '../../backends/webgpu/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { runtime } from '../../src/core/runtime.ts'
import { random } from '../../src/index.ts'
import { fromConfig, generateTokens } from '../../src/models/index.ts'
import type { DecoderModel } from '../../src/models/model.ts'
import { describeOnDevice, nullGpu } from './gpu.ts'
import { type Counts, instrument } from './instrument.ts'

const sizes = { vocab_size: 256, hidden_size: 64, intermediate_size: 128, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16, max_position_embeddings: 4096 } // prettier-ignore
const types = ['llama', 'mistral', 'smollm3', 'qwen2', 'qwen3', 'gemma', 'gemma2', 'gemma3_text', 'phi3'] as const
const families = [
  { model_type: 'gpt2', vocab_size: 256, n_embd: 64, n_head: 4, n_positions: 4096 },
  ...types.map((model_type) => ({ model_type, ...sizes })),
]
/** Of each layer: queries, keys and values; what turns them and writes them; attention; its output; the MLP's two products. */
const MOST = 6

describeOnDevice('a token on WebGPU', () => {
  /** Of the third token's step. */
  const counted = async (config: object, layers: number): Promise<Counts> => {
    const { device, counts } = instrument(await (await (await nullGpu()).requestAdapter())!.requestDevice())
    runtime.device.choose(createWebgpu(device) as Backend)
    const model = fromConfig({ ...config, num_hidden_layers: layers, n_layer: layers }) as DecoderModel
    const tokens = generateTokens(model, model.init(random.key(0)), { inputIds: [1, 2, 3], maxNewTokens: 4, capacity: 4096 })
    for (let i = 0; i < 3; i++) await tokens.next()
    counts()
    await tokens.next()
    return counts()
  }
  for (const config of families)
    test(`${config.model_type}: ${MOST} dispatches a layer, one submit, one integer read`, async () => {
      const [few, many] = [await counted(config, 10), await counted(config, 14)]
      expect((many.dispatches - few.dispatches) / 4).toBe(MOST)
      expect(many.submits).toBe(1)
      expect(many.reads).toBe(1)
    })
})
