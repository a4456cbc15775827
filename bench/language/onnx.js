// GPT-2 as an ONNX graph, in the form that onnxruntime's own model builder writes: its fused operators, a cache that goes in and comes out, and
// logits of the last token alone.
import { model } from '../webgpu/onnx.js'

export const onnxOf = ({ n_embd: width, n_layer: layers, n_head: heads, vocab_size: vocab, layer_norm_epsilon: epsilon }, tensors) => {
  const nodes = []
  const weights = Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name.replace(/^transformer\./, ''), value]))
  const whole = (...values) => ({ shape: [values.length], data: BigInt64Array.from(values, BigInt) })
  Object.assign(weights, {
    one: whole(1),
    last: { shape: [], data: BigInt64Array.of(-1n) },
    first: { shape: [], data: BigInt64Array.of(1n) },
  })
  const op = (op, inputs, outputs, attributes = {}, domain = '') => (nodes.push({ op, inputs, outputs, attributes, domain }), outputs[0])
  const fused = (name, inputs, outputs, attributes) => op(name, inputs, outputs, attributes, 'com.microsoft')
  const matmul = (x, name) => op('MatMul', [x, `${name}.weight`], [name])

  op('ReduceSum', ['attention_mask', 'one'], ['counts'], { keepdims: 0 })
  op('Sub', ['counts', 'first'], ['places'])
  op('Cast', ['places'], ['seqlens'], { to: 6 })
  op('Shape', ['attention_mask'], ['maskShape'])
  op('Gather', ['maskShape', 'first'], ['total64'], { axis: 0 })
  op('Cast', ['total64'], ['total'], { to: 6 })

  op('Gather', ['wte.weight', 'input_ids'], ['embedded'])
  op('Gather', ['wpe.weight', 'position_ids'], ['placed'])
  let stream = op('Add', ['embedded', 'placed'], ['start'])
  let x = op('LayerNormalization', [stream, 'h.0.ln_1.weight', 'h.0.ln_1.bias'], ['h.0.ln_1'], { axis: -1, epsilon })
  /** What a branch ends with: its bias and what it is added to, and the norm behind it. */
  const joined = (y, bias, norm) => {
    const after = `${norm}.in`
    x = fused('SkipLayerNormalization', [stream, y, `${norm}.weight`, `${norm}.bias`, bias], [norm, '', '', after], { epsilon })
    stream = after
  }
  for (let i = 0; i < layers; i++) {
    const at = (name) => `h.${i}.${name}`
    const cache = (when) => [`${when}.${i}.key`, `${when}.${i}.value`]
    const qkv = op('Add', [matmul(x, at('attn.c_attn')), at('attn.c_attn.bias')], [at('qkv')])
    const inputs = [qkv, '', '', ...cache('past_key_values'), 'seqlens', 'total']
    const attended = fused('GroupQueryAttention', inputs, [at('attended'), ...cache('present')], { num_heads: heads, kv_num_heads: heads })
    joined(matmul(attended, at('attn.c_proj')), at('attn.c_proj.bias'), at('ln_2'))
    const up = fused('FastGelu', [matmul(x, at('mlp.c_fc')), at('mlp.c_fc.bias')], [at('up')])
    joined(matmul(up, at('mlp.c_proj')), at('mlp.c_proj.bias'), i + 1 < layers ? `h.${i + 1}.ln_1` : 'ln_f')
  }
  op('Gather', [x, 'last'], ['hidden'], { axis: 1 })
  op('Gemm', ['hidden', 'wte.weight'], ['scores'], { transB: 1 })
  op('Unsqueeze', ['scores', 'one'], ['logits'])

  const caches = (when, length) =>
    Object.fromEntries(
      Array.from({ length: 2 * layers }, (_, i) => [
        `${when}.${i >> 1}.${i % 2 === 0 ? 'key' : 'value'}`,
        ['batch_size', heads, length, width / heads],
      ]),
    )
  return model({
    nodes,
    weights,
    inputs: {
      input_ids: { shape: ['batch_size', 'sequence_length'], dtype: 'int64' },
      attention_mask: { shape: ['batch_size', 'total_sequence_length'], dtype: 'int64' },
      position_ids: { shape: ['batch_size', 'sequence_length'], dtype: 'int64' },
      ...caches('past_key_values', 'past_sequence_length'),
    },
    outputs: { logits: ['batch_size', 1, vocab], ...caches('present', 'total_sequence_length') },
  })
}
