/**
 * Scatter without atomics, each element folding its updates in their order. By sizes:
 *   few elements and updates: every element of out looks through all indices, which copies x on the way;
 *   few updates: x is copied, then the first update of each row looks for the others;
 *   else: x is copied, the updates' numbers are sorted by row (`sortPasses.ts`), and the first of each run folds it.
 * `out` may be x's memory, so x is read only where the copy writes.
 */
import { isHalf } from '../../../src/core/dtype.ts'
import { FEW_UPDATES, type Scatter } from '../../../src/core/kernel.ts'
import { evaluation } from './expressions.ts'
import { indexLines, indexNames } from './indices.ts'
import { scatterReduced } from './scatterReduced.ts'
import { scatterRows } from './scatterRows.ts'
import { combineOf, elements, pairOf } from './scatterText.ts'
import { type Emit, type Memory, type Pass, type Shader } from './shader.ts'
import { type Sorting, sortPasses } from './sortPasses.ts'

export const emitScatter: Emit<Scatter> = (kernel, memory, features) =>
  isHalf(kernel.dtype)
    ? scatterShader({ ...kernel, dtype: 'uint32', rest: kernel.rest / 2 }, inWords(kernel, memory), features)
    : scatterShader(kernel, memory, features)

/** 16-bit floats that are moved as words, each two of them. */
const inWords = ({ args, update }: Scatter, memory: Memory): Memory => {
  const moved = [X, args.length - 1, ...(update === undefined ? [UPDATES] : [])]
  const second = (at: string): string => `2 * (${at})`
  return {
    ...memory,
    load: (arg, at) => (moved.includes(arg) ? memory.load2(arg, second(at)) : memory.load(arg, at)),
    store: (arg, at, value) => (moved.includes(arg) ? memory.store2(arg, second(at), value) : memory.store(arg, at, value)),
  }
}

const scatterShader: Emit<Scatter> = (kernel, memory, features) => {
  const { rows, rest, count } = kernel
  const size = rows * rest
  if (size === 0) return { passes: [], scratch: [] }
  const looks = size * count // 2^24 of them take less than a sort's dozens of barriers
  if (kernel.update === undefined && count > 0 && count <= 1024 && (size <= 2 ** 16 || count > FEW_UPDATES) && looks <= 2 ** 24)
    return { passes: [lookThrough(kernel, memory)], scratch: [] }
  const copied = copy(kernel, memory)
  if (count === 0) return { passes: [copied], scratch: [] }
  if (count <= FEW_UPDATES) {
    const few = (kernel.update && scatterReduced(kernel, kernel.update, memory, features)) ?? lookForOthers(kernel, memory)
    return { passes: [copied, few], scratch: [] }
  }
  const { passes, scratch } = sortRows(count, memory, features)
  const long = rest <= 16 && rows * 16 <= count && kernel.combine !== 'set'
  const fold = long ? scatterRows(kernel, memory, ROWS) : foldRuns(kernel, memory)
  return { passes: [copied, ...passes, fold], scratch: [{ dtype: 'uint32', size: 2 * count }, ...scratch] }
}

const outOf = ({ args }: Scatter): number => args.length - 1
/** Args where updates are read, and the scratch array of sorted rows and then their updates' numbers. */
const [X, INDEX, UPDATES, OUT, ROWS] = [0, 1, 2, 3, 4]

const copy = (kernel: Scatter, { load, store, same }: Memory): Pass => {
  const out = outOf(kernel)
  const size = kernel.rows * kernel.rest
  return {
    workgroupSize: 256,
    groups: () => Math.ceil(size / 1024),
    copies: [X, out],
    declarations: '',
    body: `
  if (${same(X, out)}) { return; }
  let first = i32(group) * 1024 + i32(lane);
  for (var at = first; at < min(first + 1024, ${size}); at += 256) { ${store(out, 'at', load(X, 'at'))} }`,
  }
}

const lookThrough = (kernel: Scatter, memory: Memory): Pass => {
  const { rows, rest, count, combine } = kernel
  const { load, store } = memory
  const update = load(UPDATES, `u * ${rest} + at % ${rest}`)
  const fold =
    combine === 'set'
      ? `for (var u = ${count - 1}; u >= 0; u--) {
      if (rows[u] == row) {
        value = ${update};
        break;
      }
    }`
      : `for (var u = 0; u < ${count}; u++) {
      if (rows[u] == row) { value = ${combineOf(kernel)('value', update)}; }
    }`
  return elements(rows * rest, {
    declarations: `var<workgroup> rows: array<i32, ${count}>;`,
    before: `for (var u = i32(lane); u < ${count}; u += 256) { rows[u] = ${load(INDEX, 'u')}; }
  workgroupBarrier();`,
    each: `let row = at / ${rest};
    var value = ${load(X, 'at')};
    ${fold}
    ${store(OUT, 'at', 'value')}`,
  })
}

const lookForOthers = (kernel: Scatter, memory: Memory): Pass => {
  const { rows, rest, count, combine } = kernel
  const { load, store } = memory
  const OUT = outOf(kernel)
  const place = `row * ${rest} + j`
  const update = (u: string): string => load(UPDATES, `${u} * ${rest} + j`)
  /** Stores an update, which may have to be computed. */
  const set = (u: string): string => {
    if (kernel.update === undefined) return store(OUT, place, update(u))
    const { dims, expr } = kernel.update
    const index = indexNames(dims)
    const outer = indexLines(`u32(${u})`, dims.slice(0, -1), index)
    if (isHalf(expr.dtype)) return [...outer, ...pairOf(expr, index, 'j', memory), store(OUT, place, 'pair')].join('\n')
    const at = evaluation({ index: index.with(-1, 'j'), memory })
    const value = at.value(expr)
    return [...outer, ...at.lines, store(OUT, place, value)].join('\n')
  }
  const same = load(INDEX, 'v') + ' == row'
  const fold =
    combine === 'set'
      ? `var last = u;
      for (var v = u + 1; v < ${count}; v++) { if (${same}) { last = v; } }
      ${set('last')}`
      : `var value = ${load(OUT, place)};
      for (var v = u; v < ${count}; v++) { if (${same}) { value = ${combineOf(kernel)('value', update('v'))}; } }
      ${store(OUT, place, 'value')}`
  return elements(count * rest, {
    each: `let u = at / ${rest};
    let j = at % ${rest};
    let row = ${load(INDEX, 'u')};
    var first = row >= 0 && row < ${rows};
    for (var v = 0; v < u; v++) { first = first && !(${same}); }
    if (first) {
      ${fold}
    }`,
  })
}

/** As unsigned numbers, so that all indices outside come behind the rows. */
const sortRows = (count: number, memory: Memory, features: Parameters<typeof sortPasses>[2]): Shader => {
  const sorting: Sorting = {
    lines: 1,
    n: count,
    words: 1,
    declarations: '',
    word: (_k, _line, j) => `u32(${memory.load(INDEX, j)})`,
    result: (_line, j, origin, key) => `${memory.store(ROWS, j, key(0))} ${memory.store(ROWS, `${count} + ${j}`, `u32(${origin})`)}`,
    interleaved: false,
  }
  return sortPasses(sorting, memory, features, ROWS + 1)
}

/** A lane to each (place in the sorted order, column); those that don't begin a run end at once. */
const foldRuns = (kernel: Scatter, { load, store }: Memory): Pass => {
  const { rows, rest, count, combine } = kernel
  const row = (p: string): string => load(ROWS, p)
  const update = (p: string): string => load(UPDATES, `i32(${load(ROWS, `${count} + ${p}`)}) * ${rest} + j`)
  const next = combineOf(kernel)
  const place = `i32(row) * ${rest} + j`
  const runs =
    combine === 'set'
      ? `if (row < ${rows}u && (p == ${count - 1} || ${row('p + 1')} != row)) { ${store(OUT, place, update('p'))} }`
      : `if (row < ${rows}u && (p == 0 || ${row('p - 1')} != row)) {
      var value = ${load(OUT, place)};
      while (p + 3 < ${count} && ${row('p + 3')} == row) { // four loads in flight
        let a = ${update('p')};
        let b = ${update('p + 1')};
        let c = ${update('p + 2')};
        let d = ${update('p + 3')};
        value = ${next('value', 'a')};
        value = ${next('value', 'b')};
        value = ${next('value', 'c')};
        value = ${next('value', 'd')};
        p += 4;
      }
      while (p < ${count} && ${row('p')} == row) {
        value = ${next('value', update('p'))};
        p++;
      }
      ${store(OUT, place, 'value')}
    }`
  return elements(count * rest, {
    each: `${combine === 'set' ? 'let' : 'var'} p = at / ${rest};
    let j = at % ${rest};
    let row = ${row('p')};
    ${runs}`,
  })
}
