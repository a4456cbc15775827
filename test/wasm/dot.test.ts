/** Contractions against plain float64 loops: shapes, layouts, expressions on the way in and out, ranges of units. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModuleBuilder, relaxedSimd } from '../../backends/wasm/assembler.ts'
import { dotUnits, emitDot } from '../../backends/wasm/dot.ts'
import { type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Access, Affine, Dot, Expr, Output, ScalarOp } from '../../src/core/kernel.ts'
import { tries } from '../effort.ts'
import { random } from './random.ts'
import { exportPlace } from './scratch.ts'

type Index = readonly number[]

const place = ({ strides, offset }: Affine, index: Index): number => strides.reduce((at, s, d) => at + s * index[d]!, offset)

const ops: { readonly [K in ScalarOp]?: (...x: number[]) => number } = {
  add: (x = 0, y = 0) => x + y,
  mul: (x = 0, y = 0) => x * y,
  max: (x = 0, y = 0) => Math.max(x, y),
  tanh: (x = 0) => Math.tanh(x),
  gt: (x = 0, y = 0) => Number(x > y),
  select: (c = 0, x = 0, y = 0) => (c ? x : y),
  cast: (x = 0) => x,
}

const evaluate = (e: Expr, index: Index, data: readonly TypedArray[], acc: number): number => {
  switch (e.kind) {
    case 'load': {
      const seen = e.access.guards.every((guard) => place(guard, index) >= 0 && place(guard, index) < guard.extent)
      return seen ? data[e.arg]![place(e.access, index)]! : 0
    }
    case 'gather':
      return data[e.arg]![evaluate(e.index, index, data, acc)]!
    case 'const':
      return e.value
    case 'index':
      return place(e.affine, index)
    case 'acc':
      return acc
    case 'apply':
      return ops[e.op]!(...e.args.map((arg) => evaluate(arg, index, data, acc)))
    case 'reduce':
      throw new Error('no reductions here')
  }
}

const indices = (dims: readonly number[]): Index[] =>
  dims.reduce<Index[]>((all, extent) => all.flatMap((index) => Array.from({ length: extent }, (_, i) => [...index, i])), [[]])

/** Runs the units in two calls and leaves the results in `data`. */
const run = (kernel: Dot, data: readonly TypedArray[], relaxed: boolean, split = 0.5): void => {
  const module = new ModuleBuilder({ relaxed })
  module.export('run', emitDot(module, kernel))
  exportPlace(module)
  const starts: number[] = []
  let end = 1024
  for (const { byteLength } of data) {
    starts.push(end)
    end = (end + byteLength + 31) & ~15
  }
  const pages = Math.ceil((end + module.scratchSize) / 65536)
  const memory = new WebAssembly.Memory({ initial: pages })
  new Float32Array(memory.buffer, end).fill(Number.NaN)
  data.forEach((array, i) => {
    new Uint8Array(memory.buffer).set(new Uint8Array(array.buffer), starts[i])
  })
  const imports: Record<string, WebAssembly.ImportValue> = { memory, tanh: Math.tanh }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { m: imports })
  const { run: call, place: placeScratch } = exports as unknown as Record<'run' | 'place', (...args: number[]) => void>
  placeScratch(end)
  const units = dotUnits(kernel)
  const middle = Math.floor(units * split)
  call(...starts, 0, middle)
  call(...starts, middle, units)
  data.forEach((array, i) => {
    new Uint8Array(array.buffer).set(new Uint8Array(memory.buffer, starts[i], array.byteLength))
  })
}

const check = (kernel: Dot, data: readonly TypedArray[], relaxed: boolean): void => {
  const { batch, m, n, k, lhs, rhs, outputs } = kernel
  const before = data.map((array) => array.slice())
  run(kernel, data, relaxed)
  const untouched = before.map((array) => array.slice())
  // All elements of small results, a sample of large ones.
  const all = indices([...batch, m, n])
  const every = Math.ceil((all.length * k) / 3e5)
  for (const index of all.filter((_, at) => at % Math.max(1, every) === 0)) {
    const [i, j] = index.slice(-2) as [number, number]
    const b = index.slice(0, -2)
    let acc = 0
    let size = 1
    for (let p = 0; p < k; p++) {
      const product = evaluate(lhs, [...b, i, p], before, 0) * evaluate(rhs, [...b, p, j], before, 0)
      acc += product
      size += Math.abs(product)
    }
    for (const { arg, expr, access } of outputs) {
      const want = evaluate(expr, index, before, acc)
      const got = data[arg]![place(access, index)]!
      const exact = kernel.dtype === 'int32' || kernel.dtype === 'uint32'
      if (exact ? got !== want : !(Math.abs(got - want) <= 2e-6 * (size + Math.abs(want))))
        expect.fail(`output ${arg} at [${index}]: ${got}, expected ${want}`)
      untouched[arg]![place(access, index)] = got
    }
  }
  if (every > 1) return
  // Nothing else was written.
  data.forEach((array, i) => {
    const at = array.findIndex((x, e) => x !== untouched[i]![e])
    expect(at, `arg ${i} was written at`).toBe(-1)
  })
}

interface Case {
  readonly batch: readonly number[]
  readonly m: number
  readonly n: number
  readonly k: number
  /** Order of the dims in memory of lhs, rhs and out: 0 keeps it, 1 swaps the last two, 2 leaves gaps. */
  readonly layouts: readonly [number, number, number]
  readonly rhsShared: boolean
  readonly prologues: readonly [number, number]
  readonly epilogue: number
  readonly dtype: DType
  readonly seed: number
}

const build = (c: Case): { readonly kernel: Dot; readonly data: TypedArray[] } => {
  const { batch, m, n, k, dtype } = c
  const draw = random(c.seed)
  const args: DType[] = []
  const data: TypedArray[] = []
  const make = (
    dims: readonly number[],
    type: DType,
    layout: number,
    fill: () => number,
  ): { readonly arg: number; readonly access: Access } => {
    const strides = dims.map(() => 0)
    const order = dims.map((_, d) => d)
    if (layout === 1) order.push(...order.splice(-2).reverse())
    let size = layout === 2 ? 3 : 1
    for (const d of order.reverse()) {
      strides[d] = size
      size *= dims[d]!
      if (layout === 2) size += 5
    }
    const array = new (typedArrayOf(type))(size + 3)
    for (let i = 0; i < array.length; i++) array[i] = fill()
    args.push(type)
    data.push(array)
    return { arg: args.length - 1, access: { strides, offset: 2, guards: [] } }
  }
  const value = () => (dtype === 'float32' || dtype === 'float64' ? draw() : Math.floor(draw() * 5) + 6)
  const load = (dims: readonly number[], type: DType, layout: number, fill: () => number): Expr => ({
    kind: 'load',
    dtype: type,
    ...make(dims, type, layout, fill),
  })
  const constant = (x: number): Expr => ({ kind: 'const', dtype, value: x })
  const apply = (op: ScalarOp, type: DType, ...parts: Expr[]): Expr => ({ kind: 'apply', op, dtype: type, args: parts })
  const free = (expr: Expr): Expr =>
    expr.kind === 'load' && c.rhsShared
      ? { ...expr, access: { ...expr.access, strides: expr.access.strides.map((s, d) => (d < batch.length ? 0 : s)) } }
      : expr
  const rank = batch.length
  const isFloat = dtype === 'float32' || dtype === 'float64'

  const prologue = (kind: number, dims: readonly number[], layout: number): Expr => {
    const x = load(dims, dtype, layout, value)
    if (kind === 0) return x
    // Scaled along its second dim, then bent.
    if (kind === 1) {
      const scale = load([dims.at(-1)!], dtype, 0, value)
      const row = scale.kind === 'load' ? { ...scale, access: { ...scale.access, strides: [...dims.map(() => 0).slice(1), 1] } } : scale
      return apply('max', dtype, apply('mul', dtype, x, row), constant(isFloat ? -0.25 : 2))
    }
    // Padding: zero before the first row and after the last but one.
    if (kind === 2 && x.kind === 'load') {
      const shifted = x.access.strides[rank]!
      const guard = { strides: dims.map((_, d) => Number(d === rank)), offset: -1, extent: Math.max(0, dims[rank]! - 2) }
      return { ...x, access: { ...x.access, offset: x.access.offset - shifted, guards: [guard] } }
    }
    if (kind === 3) {
      const table = make([7], dtype, 0, value)
      const rows = load(dims, 'int32', layout, () => 2 + Math.floor((draw() + 1) * 3.49))
      return { kind: 'gather', dtype, arg: table.arg, index: rows }
    }
    // A triangle.
    const index = (d: number): Expr => ({
      kind: 'index',
      dtype: 'int32',
      affine: { strides: dims.map((_, at) => Number(at === d)), offset: 0 },
    })
    return apply('select', dtype, apply('gt', 'bool', index(rank), index(rank + 1)), x, constant(0))
  }
  const lhs = prologue(c.prologues[0], [...batch, m, k], c.layouts[0])
  const rhs = free(prologue(c.prologues[1], [...batch, k, n], c.layouts[1]))
  const acc: Expr = { kind: 'acc', dtype }
  const dims = [...batch, m, n]
  const out = (expr: Expr): Output => ({ ...make(dims, expr.dtype, c.layouts[2], () => 9), expr, rowwise: false })
  const outputs: Output[] = []
  if (c.epilogue === 0) outputs.push(out(acc))
  else {
    const bias = load([n], dtype, 0, value)
    const broadcast = bias.kind === 'load' ? { ...bias, access: { ...bias.access, strides: [...dims.map(() => 0).slice(1), 1] } } : bias
    const biased = apply('add', dtype, acc, broadcast)
    outputs.push(out(biased))
    if (c.epilogue === 2) {
      const residual = load(dims, dtype, c.layouts[0], value)
      outputs.push(out(apply('add', dtype, isFloat && dtype !== 'float64' ? apply('tanh', dtype, biased) : biased, residual)))
      outputs.push(out(apply('gt', 'bool', acc, constant(isFloat ? 100 : 7))))
    }
    if (c.epilogue === 3) outputs.push(out(apply('cast', 'float64', apply('mul', dtype, acc, constant(2)))))
  }
  return { kernel: { kind: 'dot', dtype, batch, m, n, k, digits: [], lhs, rhs, args, outputs }, data }
}

const size = (max: number) => fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(1, 1, 6, 8))

const cases = (dtypes: readonly DType[], most: number): fc.Arbitrary<Case> =>
  fc.record({
    batch: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    m: size(most),
    n: size(most),
    k: size(most),
    layouts: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
    rhsShared: fc.boolean(),
    prologues: fc.tuple(fc.constantFrom(0, 0, 1, 2, 3, 4), fc.constantFrom(0, 0, 1, 2, 3, 4)),
    epilogue: fc.nat(3),
    dtype: fc.constantFrom(...dtypes),
    seed: fc.integer(),
  })

const plain: Case = {
  batch: [],
  m: 1,
  n: 1,
  k: 1,
  layouts: [0, 0, 0],
  rhsShared: false,
  prologues: [0, 0],
  epilogue: 0,
  dtype: 'float32',
  seed: 7,
}

const checkCase = (c: Case, relaxed: boolean): void => {
  const { kernel, data } = build(c)
  check(kernel, data, relaxed)
}

for (const relaxed of relaxedSimd() ? [true, false] : [false])
  describe(`dot (relaxed SIMD: ${relaxed})`, () => {
    it('equals the sum of products in float32', () => {
      fc.assert(
        fc.property(cases(['float32'], 26), (c) => checkCase(c, relaxed)),
        { numRuns: tries(200) },
      )
    })
    it('equals it in other dtypes', () => {
      fc.assert(
        fc.property(cases(['float64', 'int32', 'uint32'], 9), (c) => checkCase(c, relaxed)),
        { numRuns: tries(100) },
      )
    })
    it('equals it over several blocks of rows, columns and k', () => {
      const shapes = [
        { m: 50, n: 530, k: 20 },
        { m: 103, n: 20, k: 801 },
        { m: 1, n: 700, k: 50 },
        { m: 1, n: 7, k: 9001 },
        { m: 600, n: 1, k: 33 },
        { m: 2, n: 33, k: 700 }, // few rows, each of which reads the matrix where it lies
        { m: 3, n: 402, k: 130 },
        { m: 100, n: 4, k: 801 },
        { batch: [2], m: 2, n: 9, k: 5003 },
        { batch: [3], m: 50, n: 130, k: 401, rhsShared: true },
      ]
      for (const shape of shapes)
        for (const layouts of [
          [0, 0, 0],
          [1, 1, 0],
          [0, 1, 1],
        ] as const)
          checkCase({ ...plain, ...shape, layouts }, relaxed)
      // So long that packed blocks are not kept.
      checkCase({ ...plain, m: 200, n: 130, k: 13000 }, relaxed)
    }, 60_000)
    it('sums in an order that no split of the units changes', () => {
      const c = { ...plain, m: 200, n: 300, k: 900 }
      const results = [0, 0.3, 0.7].map((split) => {
        const { kernel, data } = build(c)
        run(kernel, data, relaxed, split)
        return data[2]
      })
      expect(results[1]).toEqual(results[0])
      expect(results[2]).toEqual(results[0])
    })
    it('sums many terms in blocks', () => {
      const k = 200_000
      const { kernel, data } = build({ ...plain, m: 2, n: 9, k })
      data[0]!.fill(0.1)
      data[1]!.fill(1)
      run(kernel, data, relaxed)
      expect(Math.abs(data[2]![2]! / (k * 0.1) - 1)).toBeLessThan(2e-5)
    })
  })
