// onnxruntime-web in the page, on its WebGPU execution provider. It only infers, so it has no train step. Arguments are on the device.
import * as ort from 'onnxruntime-web/webgpu'
import { model } from '../onnx.js'
import { decoder, decoderArrays, heads, matmuls, numbers, rows } from '../cases.js'

ort.env.wasm.wasmPaths = '/ort/'
ort.env.wasm.numThreads = 1
ort.env.logLevel = 'error'

const onDevice = (device, { shape, data }) => {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
  const gpuBuffer = device.createBuffer({ size: Math.max(16, data.byteLength), usage })
  device.queue.writeBuffer(gpuBuffer, 0, data)
  return ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: 'float32', dims: shape })
}

/** A graph on these arguments, `{ shape, data }` by name; its first output is read, the others stay on the device. */
const caseOf = async ({ args, outputs, ...graph }) => {
  const inputs = Object.fromEntries(Object.entries(args).map(([name, { shape }]) => [name, shape]))
  const [read, ...kept] = Object.keys(outputs)
  const session = await ort.InferenceSession.create(model({ ...graph, inputs, outputs }), {
    executionProviders: ['webgpu'],
    preferredOutputLocation: { [read]: 'cpu', ...Object.fromEntries(kept.map((name) => [name, 'gpu-buffer'])) },
  })
  const device = await ort.env.webgpu.device
  const feeds = Object.fromEntries(Object.entries(args).map(([name, arg]) => [name, onDevice(device, arg)]))
  const call = async () => {
    const results = await session.run(feeds)
    const values = results[read].data.slice()
    for (const name of kept) results[name].dispose()
    return values
  }
  return { call }
}

const array = (shape, t) => ({ shape, data: numbers(shape, t) })
const product = (n) => () =>
  caseOf({
    args: { a: array([n, n], 0), b: array([n, n], 1) },
    outputs: { c: [n, n] },
    nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: ['c'] }],
  })
const norm = (x, g, y) => ({ op: 'LayerNormalization', inputs: [x, g], outputs: [y], attributes: { axis: -1, epsilon: decoder.eps } })

const decode = () => {
  const { L, H, D, past, V } = decoder
  const { x, layers, g, head } = decoderArrays()
  const [nodes, weights, args, outputs] = [[], { g, head }, { x: { ...x, shape: [1, 1, D] } }, { logits: [1, 1, V] }]
  /** [1,S,H,W] as [1,H,S,W], as the operator has its caches. */
  const turned = ({ shape: [, S, , W], data }) => ({
    shape: [1, H, S, W],
    data: Float32Array.from(data, (_, i) => data[((Math.floor(i / W) % S) * H + Math.floor(i / (W * S))) * W + (i % W)]),
  })
  const op =
    (name, inputs, attributes = {}, domain = '') =>
    (output) =>
      nodes.push({ op: name, inputs, outputs: [output].flat(), attributes, domain })
  layers.forEach((p, i) => {
    const n = (name) => `${name}${i}`
    for (const name of ['g1', 'qkv', 'proj', 'g2', 'up', 'down']) weights[n(name)] = p[name]
    for (const name of ['k', 'v']) args[n(name)] = turned(p[name])
    for (const name of ['K', 'V']) outputs[n(name)] = [1, H, past + 1, D / H]
    const h = i === 0 ? 'x' : `h${i - 1}`
    nodes.push(norm(h, n('g1'), n('n')))
    op('MatMul', [n('n'), n('qkv')])(n('m'))
    op('Split', [n('m')], { axis: -1, num_outputs: 3 })([n('q'), n('a'), n('b')])
    op(
      'MultiHeadAttention',
      [n('q'), n('a'), n('b'), '', '', '', n('k'), n('v')],
      { num_heads: H },
      'com.microsoft',
    )([n('o'), n('K'), n('V')])
    op('MatMul', [n('o'), n('proj')])(n('p'))
    op('Add', [h, n('p')])(n('r'))
    nodes.push(norm(n('r'), n('g2'), n('s')))
    op('MatMul', [n('s'), n('up')])(n('t'))
    op('FastGelu', [n('t')], {}, 'com.microsoft')(n('u'))
    op('MatMul', [n('u'), n('down')])(n('w'))
    op('Add', [n('r'), n('w')])(n('h'))
  })
  nodes.push(norm(`h${L - 1}`, 'g', 'n'))
  op('MatMul', ['n', 'head'])('logits')
  return caseOf({ args, outputs, weights, nodes })
}

const [B, T, H, W] = heads
/** Hides what comes later. */
const bias = { shape: [1, 1, T, T], data: Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)) }
const fused = () =>
  caseOf({
    args: Object.fromEntries(['q', 'k', 'v'].map((name, t) => [name, { shape: [B, T, H * W], data: numbers(heads, t) }])),
    weights: { bias },
    outputs: { y: [B, T, H * W] },
    nodes: [
      {
        op: 'MultiHeadAttention',
        inputs: ['q', 'k', 'v', '', '', 'bias'],
        outputs: ['y'],
        attributes: { num_heads: H },
        domain: 'com.microsoft',
      },
    ],
  })
const transpose = (x, perm, y) => ({ op: 'Transpose', inputs: [x], outputs: [y], attributes: { perm } })
/** Of plain operators: on SwiftShader the fused one gives wrong numbers from the tenth query on. */
const plain = () =>
  caseOf({
    args: Object.fromEntries(['q', 'k', 'v'].map((name, t) => [name, { shape: heads, data: numbers(heads, t) }])),
    weights: { bias, scale: { shape: [1], data: Float32Array.of(1 / Math.sqrt(W)) } },
    outputs: { y: heads },
    nodes: [
      transpose('q', [0, 2, 1, 3], 'Q'),
      transpose('k', [0, 2, 3, 1], 'K'),
      transpose('v', [0, 2, 1, 3], 'V'),
      { op: 'MatMul', inputs: ['Q', 'K'], outputs: ['s'] },
      { op: 'Mul', inputs: ['s', 'scale'], outputs: ['scaled'] },
      { op: 'Add', inputs: ['scaled', 'bias'], outputs: ['hidden'] },
      { op: 'Softmax', inputs: ['hidden'], outputs: ['p'], attributes: { axis: -1 } },
      { op: 'MatMul', inputs: ['p', 'V'], outputs: ['o'] },
      transpose('o', [0, 2, 1, 3], 'y'),
    ],
  })
export const makers = {
  ...matmuls(product),
  softmax: () =>
    caseOf({
      args: { x: array(rows, 0) },
      outputs: { y: rows },
      nodes: [{ op: 'Softmax', inputs: ['x'], outputs: ['y'], attributes: { axis: -1 } }],
    }),
  layerNorm: () =>
    caseOf({ args: { x: array(rows, 0) }, weights: { g: array([rows[1]], 1) }, outputs: { y: rows }, nodes: [norm('x', 'g', 'y')] }),
  attention: [fused, plain],
  'decode step': decode,
}
