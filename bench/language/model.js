// GPT-2 small's shape with drawn weights, and its folder in Hugging Face's form, with the same weights as the peers read them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { random, np, tree } from 'cotangent'
import { save } from 'cotangent/hub/node'
import { fromConfig } from 'cotangent/models'
import { ggufOf } from './gguf.js'
import { onnxOf } from './onnx.js'

export const config = {
  architectures: ['GPT2LMHeadModel'],
  ...{ model_type: 'gpt2', vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12, n_inner: null },
  ...{ activation_function: 'gelu_new', layer_norm_epsilon: 1e-5, tie_word_embeddings: true },
  ...{ initializer_range: 0.08, bos_token_id: 0, eos_token_id: 0 },
}

/** Draws around what `init` gives, so that no bias is 0 and no scale is 1; a large spread, so that answers wander and the greatest logit stands out. */
export const draw = (model, seed) => {
  let i = 0
  return tree.map(
    (x) => np.add(x, np.mul(random.normal(random.foldIn(random.key(seed), i++), x.shape), 0.02)),
    model.init(random.key(seed)),
  )
}

/** Tensors of a safetensors file of float32, by name. */
export const tensorsOf = (file) => {
  const { buffer, byteOffset } = readFileSync(file)
  const length = Number(new DataView(buffer, byteOffset).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 8, length)))
  const at = byteOffset + 8 + length
  return Object.fromEntries(
    Object.entries(header).flatMap(([name, { shape, data_offsets: [begin, end] = [] }]) =>
      name === '__metadata__' ? [] : [[name, { shape, data: new Float32Array(buffer, at + begin, (end - begin) / 4) }]],
    ),
  )
}

/** Writes what isn't there yet: model.safetensors, onnx/model.onnx and model.gguf. */
export const makeFiles = async (folder) => {
  const file = (name) => join(folder, name)
  if (!existsSync(file('model.safetensors'))) await save(folder, fromConfig(config), draw(fromConfig(config), 1))
  if (existsSync(file('model.gguf'))) return
  const tensors = tensorsOf(file('model.safetensors'))
  mkdirSync(file('onnx'), { recursive: true })
  writeFileSync(file('onnx/model.onnx'), onnxOf(config, tensors))
  writeFileSync(file('generation_config.json'), '{}')
  writeFileSync(file('model.gguf'), ggufOf(config, tensors))
}
