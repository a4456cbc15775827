/** From an invocation's number to the index of an iteration, and from an index to what is stored there. */
import type { Output } from '../../../src/core/kernel.ts'
import { affineText, type Evaluation } from './expressions.ts'
import type { Memory } from './shader.ts'

export const product = (ns: readonly number[]): number => ns.reduce((n, m) => n * m, 1)
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)))
export const indexNames = (dims: readonly unknown[], from = 0): string[] => dims.map((_, d) => `i${from + d}`)

/** Names the index that a row-major number over `dims` stands for. The first extent isn't asked. */
export const indexLines = (number: string, dims: readonly number[], names: readonly string[]): string[] => {
  const lines: string[] = []
  let rest = number
  for (let d = dims.length - 1; d > 0; d--) {
    const extent = Math.max(1, dims[d]!) // where it is 0 nothing runs
    if (dims[d] === 1) lines.push(`let ${names[d]} = 0;`)
    else lines.push(`let ${names[d]} = i32(${rest} % ${extent}u);`, `let ${names[d]}r = ${rest} / ${extent}u;`)
    if (dims[d] !== 1) rest = `${names[d]}r`
  }
  if (dims.length > 0) lines.push(`let ${names[0]} = i32(${rest});`)
  return lines
}

/** All values of an element are computed, and then stored, since an output may be an input's memory. */
export const storeLines = (outputs: readonly Output[], { value }: Evaluation, index: readonly string[], memory: Memory): string[] => {
  const values = outputs.map(({ expr }) => value(expr))
  return outputs.map(({ arg, access }, i) => memory.store(arg, affineText(access, index), values[i]!))
}
