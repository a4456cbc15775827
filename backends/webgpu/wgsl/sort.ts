/** Sort: keys as words whose unsigned order is theirs, and operands moved to where their keys went. */
import type { DType } from '../../../src/core/dtype.ts'
import type { Sort } from '../../../src/core/kernel.ts'
import type { Emit } from './shader.ts'
import { sortPasses } from './sortPasses.ts'

export const emitSort: Emit<Sort> = ({ outer, n, inner, keys, args }, memory, features) => {
  const operands = args.length / 2
  const at = (line: string, j: string): string =>
    inner === 1 ? `${line} * ${n} + ${j}` : `(${line} / ${inner} * ${n} + ${j}) * ${inner} + ${line} % ${inner}`
  const sorting = {
    lines: outer * inner,
    n,
    words: keys,
    declarations: args.slice(0, keys).includes('float32') ? orderedFloat : '',
    word: (k: number, line: string, j: string) => orderedWord(args[k]!, memory.load(k, at(line, j))),
    result: (line: string, j: string, origin: string) =>
      args
        .slice(0, operands)
        .map((_, i) => memory.store(operands + i, at(line, j), memory.load(i, at(line, origin))))
        .join('\n'),
    interleaved: inner > 1,
  }
  return sortPasses(sorting, memory, features, args.length)
}

/** NaN is last and -0 is 0; by bits, since comparisons may assume that there is no NaN. */
const orderedFloat = `fn orderedFloat(bits: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0xffffffffu; }
  if (magnitude == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, bits != magnitude);
}`

const orderedWord = (dtype: DType, value: string): string => {
  switch (dtype) {
    case 'float32':
      return `orderedFloat(bitcast<u32>(${value}))`
    case 'int32':
      return `(bitcast<u32>(${value}) ^ 0x80000000u)`
    case 'uint32':
      return value
    case 'bool':
      return `select(0u, 1u, ${value})`
    case 'float16':
    case 'bfloat16':
    case 'float64':
    case 'key':
      throw new Error(`internal: WGSL sorts no ${dtype}`)
  }
}
