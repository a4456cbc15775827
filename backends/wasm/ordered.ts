/**
 * Kernels whose elements wait for one another, which leaves little to vectors: sort, prefix reductions and scatter are plain JavaScript over
 * views of the memory, imported by the generated code.
 */
import { type DType, isFloat, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Cumulative, HostCall, Scatter, Sort } from '../../src/core/kernel.ts'

export type Ordered = Sort | Cumulative | Scatter | HostCall

/** Calls a function of the user's. */
export type CallHost = (kernel: HostCall, views: readonly TypedArray[]) => void

/** The kernel as a function of its args' addresses. Views are taken at each call: the memory may have grown. */
export const orderedKernel =
  (kernel: Ordered, memory: WebAssembly.Memory, callHost: CallHost) =>
  (...addresses: number[]): void => {
    const views = kernel.args.map((dtype, i) => view(dtype, memory, addresses[i] as number))
    switch (kernel.kind) {
      case 'sort':
        return sort(kernel, views)
      case 'cumulative':
        return cumulative(kernel, views)
      case 'scatter':
        return scatter(kernel, views)
      case 'hostCall':
        return callHost(kernel, views)
    }
  }

/** The memory from an address on. A key moves as one 64-bit word, and is never computed with. */
const view = (dtype: DType, { buffer }: WebAssembly.Memory, at: number): TypedArray =>
  dtype === 'key' ? (new BigUint64Array(buffer, at) as unknown as TypedArray) : new (typedArrayOf(dtype))(buffer, at)

type Combine = (x: number, y: number) => number

/** In float64: storing rounds, or wraps. */
const combiner = (op: Scatter['combine'] | Cumulative['op'], dtype: DType): Combine => {
  switch (op) {
    case 'set':
      return (_, y) => y
    case 'sum':
    case 'add':
      return (x, y) => x + y
    case 'prod':
    case 'mul':
      return isFloat(dtype) ? (x, y) => x * y : Math.imul
    case 'max':
      return Math.max
    case 'min':
      return Math.min
  }
}

/** Calls `body` with the first element of each line along the middle dim of [outer, n, inner]. */
const eachLine = ({ outer, n, inner }: Sort | Cumulative, body: (first: number) => void): void => {
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) body(o * n * inner + i)
}

/** Floats are carried in float64, so that 1e6 · 0.1 keeps its digits; integers as they wrap. */
const cumulative = (kernel: Cumulative, [x, out]: readonly TypedArray[]): void => {
  const { op, dtype, n, inner, reverse } = kernel
  const combine = combiner(op, dtype)
  const carries = isFloat(dtype)
  eachLine(kernel, (first) => {
    let sum = 0
    for (let i = 0; i < n; i++) {
      const at = first + (reverse ? n - 1 - i : i) * inner
      const value = x![at]!
      sum = i === 0 ? value : combine(sum, value)
      out![at] = sum
      if (!carries) sum = out![at]!
    }
  })
}

/**
 * A stable radix sort of each line's positions, by every byte of the keys from the least significant one on. Operands then move by way of
 * copies, since an output may be an input's memory.
 */
const sort = (kernel: Sort, views: readonly TypedArray[]): void => {
  const { n, inner, keys, args } = kernel
  const operands = views.length / 2
  const lines = views.slice(0, operands).map((input) => input.slice(0, n))
  let [order, next] = [new Uint32Array(n), new Uint32Array(n)]
  const starts = new Uint32Array(257)
  const sortByByte = (words: Uint32Array, shift: number): void => {
    const byte = (position: number): number => (words[position]! >>> shift) & 255
    starts.fill(0)
    for (let i = 0; i < n; i++) starts[byte(i) + 1]!++
    for (let b = 0; b < 256; b++) starts[b + 1]! += starts[b]!
    for (let i = 0; i < n; i++) next[starts[byte(order[i]!)]!++] = order[i]!
    ;[order, next] = [next, order]
  }
  eachLine(kernel, (first) => {
    lines.forEach((line, operand) => {
      for (let i = 0; i < n; i++) line[i] = views[operand]![first + i * inner]!
    })
    for (let i = 0; i < n; i++) order[i] = i
    for (let key = keys - 1; key >= 0; key--)
      for (const words of orderedWords(args[key]!, lines[key]!)) for (const shift of [0, 8, 16, 24]) sortByByte(words, shift)
    lines.forEach((line, operand) => {
      for (let i = 0; i < n; i++) views[operands + operand]![first + i * inner] = line[order[i]!]!
    })
  })
}

const SIGN = 0x80000000

/** A key's words from the low one on, so mapped that unsigned integers of them have its order: NaN last, -0 as 0. */
const orderedWords = (dtype: DType, line: TypedArray): Uint32Array[] => {
  const bits = new Uint32Array(line.buffer)
  const size = bits.length / line.length
  return Array.from({ length: size }, (_, w) => {
    const sign = w === size - 1 && dtype !== 'uint32' && dtype !== 'bool' ? SIGN : 0
    const words = new Uint32Array(line.length)
    for (let i = 0; i < words.length; i++) {
      const word = bits[i * size + w]!
      if (!isFloat(dtype)) words[i] = word ^ sign
      else if (line[i] === 0) words[i] = sign
      else if (Number.isNaN(line[i])) words[i] = ~0
      else words[i] = word ^ (bits[i * size + size - 1]! >> 31) ^ (line[i]! > 0 ? sign : 0)
    }
    return words
  })
}

const scatter = ({ combine: op, dtype, rows, rest, count }: Scatter, [x, index, updates, out]: readonly TypedArray[]): void => {
  const combine = combiner(op, dtype)
  if (out!.byteOffset !== x!.byteOffset) out!.set(x!.subarray(0, rows * rest))
  for (let u = 0; u < count; u++) {
    const row = index![u]!
    if (row < 0 || row >= rows) continue
    for (let j = 0; j < rest; j++) out![row * rest + j] = combine(out![row * rest + j]!, updates![u * rest + j]!)
  }
}
