// GPT-2 as a GGUF file of float32. Its vocabulary is one character a token, since wllama takes prompts as texts alone.
const utf8 = new TextEncoder()
const ALIGNMENT = 32

/** The character that stands for a token, and back. */
const BASE = 0x20000
export const textOf = (ids) => String.fromCodePoint(...ids.map((id) => BASE + id))
export const idsOf = (text) => [...text].map((c) => c.codePointAt(0) - BASE)

const number = (bytes, set) => {
  const view = new DataView(new ArrayBuffer(bytes))
  set(view)
  return new Uint8Array(view.buffer)
}
const u32 = (n) => number(4, (v) => v.setUint32(0, n, true))
const u64 = (n) => number(8, (v) => v.setBigUint64(0, BigInt(n), true))
const f32 = (x) => number(4, (v) => v.setFloat32(0, x, true))
const text = (s) => {
  const bytes = utf8.encode(s)
  return [u64(bytes.length), bytes]
}
/** Values of metadata, with the number of their type before them. */
const kinds = {
  u32: (n) => [u32(4), u32(n)],
  i32s: (ns) => [u32(9), u32(5), u64(ns.length), new Uint8Array(Int32Array.from(ns).buffer)],
  f32: (x) => [u32(6), f32(x)],
  f32s: (xs) => [u32(9), u32(6), u64(xs.length), new Uint8Array(Float32Array.from(xs).buffer)],
  bool: (b) => [u32(7), Uint8Array.of(Number(b))],
  text: (s) => [u32(8), ...text(s)],
  texts: (all) => [u32(9), u32(8), u64(all.length), ...all.flatMap(text)],
}

/** [out,in] from [in,out]. */
const turned = ({ shape: [rows, columns], data }) => {
  const out = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]
  return { shape: [columns, rows], data: out }
}
const names = {
  'wte.weight': 'token_embd.weight',
  'wpe.weight': 'position_embd.weight',
  'ln_f.weight': 'output_norm.weight',
  'ln_f.bias': 'output_norm.bias',
}
const parts = { ln_1: 'attn_norm', 'attn.c_attn': 'attn_qkv', 'attn.c_proj': 'attn_output', ln_2: 'ffn_norm', 'mlp.c_fc': 'ffn_up', 'mlp.c_proj': 'ffn_down' } // prettier-ignore
const renamed = (name) => {
  const own = name.replace(/^transformer\./, '')
  if (own in names) return names[own]
  const [, layer, part, kind] = /^h\.(\d+)\.(.+)\.(weight|bias)$/.exec(own)
  return `blk.${layer}.${parts[part]}.${kind}`
}

export const ggufOf = (config, tensors) => {
  const ids = Array.from({ length: config.vocab_size }, (_, id) => id)
  const metadata = {
    'general.architecture': kinds.text('gpt2'),
    'general.name': kinds.text('gpt2'),
    'general.file_type': kinds.u32(0),
    'gpt2.block_count': kinds.u32(config.n_layer),
    'gpt2.context_length': kinds.u32(config.n_positions),
    'gpt2.embedding_length': kinds.u32(config.n_embd),
    'gpt2.feed_forward_length': kinds.u32(4 * config.n_embd),
    'gpt2.attention.head_count': kinds.u32(config.n_head),
    'gpt2.attention.layer_norm_epsilon': kinds.f32(config.layer_norm_epsilon),
    'tokenizer.ggml.model': kinds.text('llama'),
    'tokenizer.ggml.tokens': kinds.texts(ids.map((id) => textOf([id]))),
    'tokenizer.ggml.scores': kinds.f32s(ids.map(() => 0)),
    'tokenizer.ggml.token_type': kinds.i32s(ids.map(() => 1)),
    'tokenizer.ggml.bos_token_id': kinds.u32(config.bos_token_id),
    'tokenizer.ggml.eos_token_id': kinds.u32(config.eos_token_id),
    'tokenizer.ggml.unknown_token_id': kinds.u32(0),
    'tokenizer.ggml.add_bos_token': kinds.bool(false),
    'tokenizer.ggml.add_eos_token': kinds.bool(false),
    'tokenizer.ggml.add_space_prefix': kinds.bool(false),
  }
  let offset = 0
  const placed = Object.entries(tensors).map(([name, value]) => {
    const { shape, data } = /c_(attn|proj|fc)\.weight$/.test(name) ? turned(value) : value
    const at = offset
    offset += Math.ceil(data.byteLength / ALIGNMENT) * ALIGNMENT
    return { name: renamed(name), shape, data, at }
  })
  const head = [
    ...[utf8.encode('GGUF'), u32(3), u64(placed.length), u64(Object.keys(metadata).length)],
    ...Object.entries(metadata).flatMap(([key, value]) => [...text(key), ...value]),
    ...placed.flatMap(({ name, shape, at }) => [...text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(0), u64(at)]),
  ]
  const begin = Math.ceil(head.reduce((sum, { length }) => sum + length, 0) / ALIGNMENT) * ALIGNMENT
  const file = new Uint8Array(begin + offset)
  head.reduce((at, bytes) => (file.set(bytes, at), at + bytes.length), 0)
  for (const { data, at } of placed) file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), begin + at)
  return file
}
