/** Flash attention, forward and backward, against plain float64 loops: layouts, windows, bias, masks, dropout, grouped heads. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModuleBuilder, relaxedSimd } from '../../backends/wasm/assembler.ts'
import { attentionUnits, emitAttention } from '../../backends/wasm/attention.ts'
import { attentionGradUnits, emitAttentionGrad } from '../../backends/wasm/attentionGrad.ts'
import type { Attention, AttentionGrad, AttentionShape, Strided } from '../../src/core/kernel.ts'
import { random } from './random.ts'
import { exportPlace } from './scratch.ts'

/** threefry2x32 of (0, i), both words xored, as a number in [0, 1). */
const uniform = (k0: number, k1: number, i: number): number => {
  const ks = [k0, k1, k0 ^ k1 ^ 0x1bd11bda]
  let [x0, x1] = [k0 | 0, (i + k1) | 0]
  for (let group = 0; group < 5; group++) {
    for (const r of group % 2 === 0 ? [13, 15, 26, 6] : [17, 29, 16, 24]) {
      x0 = (x0 + x1) | 0
      x1 = ((x1 << r) | (x1 >>> (32 - r))) ^ x0
    }
    x0 = (x0 + ks[(group + 1) % 3]!) | 0
    x1 = (x1 + ks[(group + 2) % 3]! + group + 1) | 0
  }
  return ((x0 ^ x1) >>> 9) / 2 ** 23
}

interface Case {
  readonly batch: number
  readonly kvHeads: number
  readonly group: number
  readonly queries: number
  readonly keys: number
  readonly headDim: number
  readonly valueDim: number
  readonly left: number | null
  readonly right: number | null
  readonly bias: boolean
  readonly mask: boolean
  readonly rate: number
  readonly softcap: number | null
  /** How dims of a buffer are laid out: [batch, head, row, column], rows before heads, or columns before rows. */
  readonly layout: 'heads' | 'rows' | 'columns'
  readonly seed: number
}

interface Buffer {
  readonly strided: Strided
  readonly data: Float32Array | Uint32Array
  readonly at: (b: number, h: number, i: number, d: number) => number
}

const build = (c: Case) => {
  const heads = c.kvHeads * c.group
  const draw = random(c.seed)
  const buffers: Buffer[] = []
  const make = (dims: readonly [number, number, number, number], fill: (() => number) | null, words = false): Buffer => {
    const order = { heads: [0, 1, 2, 3], rows: [0, 2, 1, 3], columns: [0, 1, 3, 2] }[c.layout]
    const strides = [0, 0, 0, 0]
    let size = 1
    for (const d of [...order].reverse()) {
      strides[d] = size
      size *= dims[d]!
      if (d === order[3]) size += 3
    }
    const offset = 5
    const data = words ? new Uint32Array(size + offset + 8) : new Float32Array(size + offset + 8)
    const at = (b: number, h: number, i: number, d: number) =>
      offset + b * strides[0]! + h * strides[1]! + i * strides[2]! + d * strides[3]!
    for (let b = 0; b < dims[0]; b++)
      for (let h = 0; h < dims[1]; h++)
        for (let i = 0; i < dims[2]; i++) for (let d = 0; d < dims[3]; d++) data[at(b, h, i, d)] = fill === null ? 77 : fill()
    const buffer = { strided: { arg: buffers.length, strides, offset }, data, at }
    buffers.push(buffer)
    return buffer
  }
  const query = make([c.batch, heads, c.queries, c.headDim], draw)
  const key = make([c.batch, c.kvHeads, c.keys, c.headDim], draw)
  const value = make([c.batch, c.kvHeads, c.keys, c.valueDim], draw)
  const bias = c.bias ? make([c.batch, heads, c.queries, c.keys], draw) : null
  const mask = c.mask ? make([c.batch, heads, c.queries, c.keys], () => (draw() > -0.4 ? 1 : 0), true) : null
  const dropout = c.rate > 0 ? make([1, 1, 1, 2], () => Math.floor((draw() + 1) * 2 ** 31), true) : null
  const out = make([c.batch, heads, c.queries, c.valueDim], null)
  const lse = make([c.batch, heads, c.queries, 1], null)
  const shape: AttentionShape = {
    batch: c.batch,
    heads,
    group: c.group,
    queries: c.queries,
    keys: c.keys,
    headDim: c.headDim,
    valueDim: c.valueDim,
    scale: 0.7,
    softcap: c.softcap,
    left: c.left,
    right: c.right,
    query: query.strided,
    key: key.strided,
    value: value.strided,
    bias: bias?.strided ?? null,
    mask: mask?.strided ?? null,
    dropout: dropout === null ? null : { arg: dropout.strided.arg, rate: c.rate },
    args: [],
  }
  return { heads, draw, buffers, make, query, key, value, bias, mask, dropout, out, lse, shape }
}

/** Loads all buffers, runs, reads all back. */
const execute = (
  buffers: readonly Buffer[],
  emit: (module: ModuleBuilder) => ReturnType<typeof emitAttention>,
  units: number,
  relaxed: boolean,
): void => {
  const module = new ModuleBuilder({ relaxed })
  module.export('run', emit(module))
  exportPlace(module)
  const starts: number[] = []
  let end = 1024
  for (const { data } of buffers) {
    starts.push(end)
    end = (end + data.byteLength + 31) & ~15
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil((end + module.scratchSize) / 65536) + 1 })
  new Float32Array(memory.buffer, end).fill(Number.NaN)
  buffers.forEach(({ data }, i) => {
    new Uint8Array(memory.buffer).set(new Uint8Array(data.buffer), starts[i])
  })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { m: { memory } })
  const { run, place: placeScratch } = exports as unknown as Record<'run' | 'place', (...args: number[]) => void>
  placeScratch(end)
  const half = units >> 1
  run(...starts, 0, half)
  run(...starts, half, units)
  buffers.forEach(({ data }, i) => {
    data.set(
      data instanceof Float32Array
        ? new Float32Array(memory.buffer, starts[i], data.length)
        : new Uint32Array(memory.buffer, starts[i], data.length),
    )
  })
}

/** Weights before dropout, what dropout multiplies by, logsumexp, and the derivative of each capped score, of one row. */
const row = (c: Case, t: ReturnType<typeof build>, b: number, h: number, i: number) => {
  const kv = Math.floor(h / c.group)
  const slopes: number[] = []
  const scores = Array.from({ length: c.keys }, (_, j) => {
    const visible = (c.left === null || j - i >= -c.left) && (c.right === null || j - i <= c.right)
    if (!visible || (t.mask !== null && t.mask.data[t.mask.at(b, h, i, j)] === 0)) {
      slopes.push(0)
      return Number.NEGATIVE_INFINITY
    }
    let s = 0
    for (let d = 0; d < c.headDim; d++) s += t.query.data[t.query.at(b, h, i, d)]! * t.key.data[t.key.at(b, kv, j, d)]!
    const scaled = c.softcap === null ? s * 0.7 : c.softcap * Math.tanh((s * 0.7) / c.softcap)
    slopes.push(c.softcap === null ? 1 : 1 - (scaled / c.softcap) ** 2)
    return scaled + (t.bias === null ? 0 : t.bias.data[t.bias.at(b, h, i, j)]!)
  })
  const max = Math.max(...scores)
  const sum = scores.reduce((total, s) => total + (max === Number.NEGATIVE_INFINITY ? 0 : Math.exp(s - max)), 0)
  const lse = sum === 0 ? Number.NEGATIVE_INFINITY : max + Math.log(sum)
  const weights = scores.map((s) => (sum === 0 ? 0 : Math.exp(s - lse)))
  const kept = scores.map((_, j) => {
    if (t.dropout === null) return 1
    const element = ((b * t.heads + h) * c.queries + i) * c.keys + j
    const [k0, k1] = [t.dropout.data[t.dropout.at(0, 0, 0, 0)]!, t.dropout.data[t.dropout.at(0, 0, 0, 1)]!]
    return uniform(k0, k1, element) < Math.fround(1 - c.rate) ? 1 / (1 - c.rate) : 0
  })
  return { weights, kept, lse, kv, slopes }
}

const expectClose = (got: number, want: number, tolerance: number, what: string): void => {
  if (got === want) return
  if (!(Math.abs(got - want) <= tolerance * (1 + Math.abs(want)))) expect.fail(`${what}: ${got}, expected ${want}`)
}

const eachRow = (c: Case, heads: number, body: (b: number, h: number, i: number) => void): void => {
  for (let b = 0; b < c.batch; b++) for (let h = 0; h < heads; h++) for (let i = 0; i < c.queries; i++) body(b, h, i)
}

const checkForward = (c: Case, relaxed: boolean) => {
  const t = build(c)
  // The key's words have to lie together.
  const kernel: Attention = {
    ...t.shape,
    kind: 'attention',
    args: t.buffers.map(() => 'float32' as const),
    out: t.out.strided,
    lse: t.lse.strided,
  }
  shiftDropout(t)
  execute(t.buffers, (module) => emitAttention(module, kernel), attentionUnits(kernel), relaxed)
  eachRow(c, t.heads, (b, h, i) => {
    const { weights, kept, lse, kv } = row(c, t, b, h, i)
    expectClose(t.lse.data[t.lse.at(b, h, i, 0)]!, lse, 1e-5, `lse ${[b, h, i]}`)
    for (let d = 0; d < c.valueDim; d++) {
      let want = 0
      for (let j = 0; j < c.keys; j++) want += weights[j]! * kept[j]! * t.value.data[t.value.at(b, kv, j, d)]!
      expectClose(t.out.data[t.out.at(b, h, i, d)]!, want, 1e-5, `out ${[b, h, i, d]}`)
    }
  })
}

/** The kernel reads the key at its buffer's start. */
const shiftDropout = (t: ReturnType<typeof build>): void => {
  if (t.dropout === null) return
  const { data, at } = t.dropout
  ;[data[0], data[1]] = [data[at(0, 0, 0, 0)]!, data[at(0, 0, 0, 1)]!]
}

const checkBackward = (c: Case, relaxed: boolean) => {
  const t = build(c)
  const ct = t.make([c.batch, t.heads, c.queries, c.valueDim], t.draw)
  const dQuery = t.make([c.batch, t.heads, c.queries, c.headDim], null)
  const dKey = t.make([c.batch, c.kvHeads, c.keys, c.headDim], null)
  const dValue = t.make([c.batch, c.kvHeads, c.keys, c.valueDim], null)
  shiftDropout(t)
  const want = {
    dQuery: new Float64Array(dQuery.data.length),
    dKey: new Float64Array(dKey.data.length),
    dValue: new Float64Array(dValue.data.length),
  }
  eachRow(c, t.heads, (b, h, i) => {
    const { weights, kept, lse, kv, slopes } = row(c, t, b, h, i)
    t.lse.data[t.lse.at(b, h, i, 0)] = lse
    const dWeights = weights.map((_, j) => {
      let sum = 0
      for (let d = 0; d < c.valueDim; d++) sum += ct.data[ct.at(b, h, i, d)]! * t.value.data[t.value.at(b, kv, j, d)]!
      return sum * kept[j]!
    })
    const delta = weights.reduce((sum, w, j) => sum + w * dWeights[j]!, 0)
    for (let d = 0; d < c.valueDim; d++) {
      let out = 0
      for (let j = 0; j < c.keys; j++) {
        out += weights[j]! * kept[j]! * t.value.data[t.value.at(b, kv, j, d)]!
        want.dValue[dValue.at(b, kv, j, d)]! += weights[j]! * kept[j]! * ct.data[ct.at(b, h, i, d)]!
      }
      t.out.data[t.out.at(b, h, i, d)] = out
    }
    for (let j = 0; j < c.keys; j++) {
      const dScore = weights[j]! * (dWeights[j]! - delta) * slopes[j]! * 0.7
      for (let d = 0; d < c.headDim; d++) {
        want.dQuery[dQuery.at(b, h, i, d)]! += dScore * t.key.data[t.key.at(b, kv, j, d)]!
        want.dKey[dKey.at(b, kv, j, d)]! += dScore * t.query.data[t.query.at(b, h, i, d)]!
      }
    }
  })
  const kernel: AttentionGrad = {
    ...t.shape,
    kind: 'attentionGrad',
    args: t.buffers.map(() => 'float32' as const),
    out: t.out.strided,
    lse: t.lse.strided,
    ct: ct.strided,
    dQuery: dQuery.strided,
    dKey: dKey.strided,
    dValue: dValue.strided,
  }
  execute(t.buffers, (module) => emitAttentionGrad(module, kernel), attentionGradUnits(kernel), relaxed)
  const compare = (name: keyof typeof want, got: Buffer, heads: number, rows: number, columns: number) => {
    for (let b = 0; b < c.batch; b++)
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < rows; i++)
          for (let d = 0; d < columns; d++) {
            const at = got.at(b, h, i, d)
            expectClose(got.data[at]!, want[name][at]!, 2e-5, `${name} ${[b, h, i, d]}`)
          }
  }
  compare('dQuery', dQuery, t.heads, c.queries, c.headDim)
  compare('dKey', dKey, c.kvHeads, c.keys, c.headDim)
  compare('dValue', dValue, c.kvHeads, c.keys, c.valueDim)
}

const cases: fc.Arbitrary<Case> = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  kvHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 3 }),
  queries: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })),
  keys: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 200 })),
  headDim: fc.integer({ min: 1, max: 17 }),
  valueDim: fc.integer({ min: 1, max: 17 }),
  left: fc.option(fc.integer({ min: -3, max: 30 }), { freq: 1 }),
  right: fc.option(fc.integer({ min: 0, max: 20 }), { freq: 2 }),
  bias: fc.boolean(),
  mask: fc.boolean(),
  rate: fc.constantFrom(0, 0, 0.25),
  softcap: fc.constantFrom(null, null, 0.5),
  layout: fc.constantFrom('heads', 'rows', 'columns'),
  seed: fc.integer(),
})

const causal = (queries: number, keys: number, dim: number): Case => ({
  batch: 1,
  kvHeads: 1,
  group: 2,
  queries,
  keys,
  headDim: dim,
  valueDim: dim,
  left: null,
  right: 0,
  bias: false,
  mask: false,
  rate: 0,
  softcap: null,
  layout: 'rows',
  seed: 1,
})

for (const relaxed of relaxedSimd() ? [true, false] : [false])
  describe(`attention (relaxed SIMD: ${relaxed})`, () => {
    it('equals softmax(q k) v for any shape and layout', () => {
      fc.assert(fc.property(cases, (c) => checkForward(c, relaxed)))
    })
    it('has the gradient of softmax(q k) v for any shape and layout', () => {
      fc.assert(fc.property(cases, (c) => checkBackward(c, relaxed)))
    })
    it('agrees over many blocks of keys', () => {
      for (const c of [causal(64, 64, 32), causal(420, 450, 16), { ...causal(200, 500, 8), left: 100, right: null }]) {
        checkForward(c, relaxed)
        checkBackward(c, relaxed)
      }
    })
    it('reads nothing where there are no keys', () => {
      checkForward({ ...causal(3, 0, 4), right: null }, relaxed)
    })
  })
