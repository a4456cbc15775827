// transformers.js in Node: over onnxruntime-node, or over onnxruntime-web's wasm.
import { basename, dirname } from 'node:path'

export const open = async (folder, { web = false, session_options = {} }) => {
  if (web) {
    const ort = await import('onnxruntime-web')
    Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: new URL('./', import.meta.resolve('onnxruntime-web')).href })
    globalThis[Symbol.for('onnxruntime')] = ort
  }
  const { AutoModelForCausalLM, BaseStreamer, Tensor, env } = await import('@huggingface/transformers')
  Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(folder) })
  const options = web ? { device: 'auto', session_options: { executionProviders: ['wasm'] } } : { device: 'cpu', session_options }
  const model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype: 'fp32', ...options })
  /** Hears of the prompt first. */
  class Told extends BaseStreamer {
    begun = false
    constructor(told) {
      super()
      this.told = told
    }
    put([ids]) {
      if (this.begun) this.told(Number(ids[0]))
      this.begun = true
    }
    end() {}
  }
  const generate = async (inputIds, maxNewTokens, told) => {
    const shape = [1, inputIds.length]
    const inputs = new Tensor('int64', BigInt64Array.from(inputIds, BigInt), shape)
    const attention_mask = new Tensor('int64', new BigInt64Array(inputIds.length).fill(1n), shape)
    const streamer = new Told(told)
    await model.generate({ inputs, attention_mask, max_new_tokens: maxNewTokens, do_sample: false, eos_token_id: -1, streamer })
  }
  return { generate }
}
