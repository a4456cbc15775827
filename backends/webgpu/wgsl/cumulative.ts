/**
 * Prefix reductions. Short lines, and many that lie side by side, take an invocation each. Longer ones a workgroup, tile by tile: neighbouring
 * lanes take neighbouring columns (inner) where there are some, and behind one another as many parts of the tile as are left;
 * a lane reduces its part, the parts' totals are scanned, and the lane goes over its part again. A few very long lines are cut into chunks for
 * many workgroups: a pass for the chunks' totals, and one in which each chunk begins with the totals before it.
 */
import type { Cumulative } from '../../../src/core/kernel.ts'
import { type Carry, carryOf } from './cumulativeCarry.ts'
import { powerOfTwo } from './indices.ts'
import { type Emit, type Features, type Memory, type Pass, typeOf } from './shader.ts'

export const emitCumulative: Emit<Cumulative> = (kernel, memory, features) => {
  const { outer, n, inner } = kernel
  const lines = outer * inner
  if (lines * n === 0) return { passes: [], scratch: [] }
  const carry = carryOf(kernel)
  if (n <= 16 || (inner >= 32 && lines >= 16384)) return { passes: [serial(kernel, carry, memory)], scratch: [] }
  const tiling = tilingOf(kernel, features)
  const { units, columns, chunks } = tiling
  const apply = scanTiles(kernel, carry, tiling, memory)
  if (chunks === 1) return { passes: [apply], scratch: [] }
  return { passes: [chunkTotals(kernel, carry, tiling, memory), apply], scratch: [carry.scratch(units * chunks * columns)] }
}

/** The element at position p of a scan. */
const along = ({ n, reverse }: Cumulative, p: string): string => (reverse ? `(${n - 1} - (${p}))` : `(${p})`)

const serial = (kernel: Cumulative, carry: Carry, { load, store }: Memory): Pass => {
  const { outer, n, inner } = kernel
  const lines = outer * inner
  return {
    workgroupSize: 64,
    groups: () => Math.ceil(lines / 64),
    declarations: carry.declarations,
    body: `
  let line = i32(group * 64u + lane);
  if (line < ${lines}) {
    let first = line / ${inner} * ${n * inner} + line % ${inner};
    var at = first + ${along(kernel, '0')} * ${inner};
    var running = ${carry.lift(load(0, 'at'))};
    ${store(1, 'at', carry.drop('running'))}
    for (var p = 1; p < ${n}; p++) {
      at = first + ${along(kernel, 'p')} * ${inner};
      running = ${carry.combine('running', carry.lift(load(0, 'at')))};
      ${store(1, 'at', carry.drop('running'))}
    }
  }`,
  }
}

/** A workgroup's lanes are `columns` · `parts`; a tile is `columns` wide and parts · each long. All are powers of two but chunks and units. */
interface Tiling {
  readonly columns: number
  readonly parts: number
  readonly each: number
  /** Positions of a tile. */
  readonly length: number
  readonly tiles: number
  /** Tiles of a chunk, which is one workgroup's. */
  readonly chunk: number
  readonly chunks: number
  /** Lines, in sets of `columns`. */
  readonly units: number
}

const tilingOf = ({ outer, n, inner }: Cumulative, { maxWorkgroupSize }: Features): Tiling => {
  const columns = Math.min(powerOfTwo(inner), 32)
  const lanes = Math.min(Math.max((powerOfTwo(n) * columns) / 8, 32), 256, maxWorkgroupSize)
  const parts = lanes / columns
  const each = Math.min(Math.max(powerOfTwo(n) / parts, 1), 8)
  const length = parts * each
  const tiles = Math.ceil(n / length)
  const units = outer * Math.ceil(inner / columns)
  // 1,024 workgroups fill a device; a chunk reads all totals before it, so they are 512 at most.
  const wanted = tiles <= 4 ? 1 : Math.min(Math.max(Math.floor(1024 / units), 1), tiles, 512)
  const chunk = Math.ceil(tiles / wanted)
  return { columns, parts, each, length, tiles, chunk, chunks: Math.ceil(tiles / chunk), units }
}

/** Names of where this workgroup and lane are. */
const position = ({ n, inner }: Cumulative, { columns, chunk }: Tiling, chunks: number): string => {
  const sets = Math.ceil(inner / columns)
  return `
  let me = i32(lane);
  let column = me % ${columns};
  let part = me / ${columns};
  let unit = i32(group) / ${chunks};
  let chunk = i32(group) % ${chunks};
  let firstTile = chunk * ${chunk};
  let i = unit % ${sets} * ${columns} + column;
  let first = unit / ${sets} * ${n * inner} + min(i, ${inner - 1});`
}

/** Inclusive scan over the parts of each column: from `sum` to `sum` and `totals`. */
const scanTotals = (carry: Carry, { columns, parts }: Tiling): string => `
    totals[me] = sum;
    workgroupBarrier();
    for (var stride = ${columns}; stride < ${columns * parts}; stride *= 2) {
      var before: ${carry.type};
      if (me >= stride) { before = totals[me - stride]; }
      workgroupBarrier();
      if (me >= stride) {
        sum = ${carry.combine('before', 'sum')};
        totals[me] = sum;
      }
      workgroupBarrier();
    }`

/** Of all chunks but the last, whose total nobody needs; so every position is within the line. */
const chunkTotals = (kernel: Cumulative, carry: Carry, tiling: Tiling, memory: Memory): Pass => {
  const { inner } = kernel
  const { columns, parts, length, chunk, chunks, units } = tiling
  const element = (p: string): string => carry.lift(memory.load(0, `first + ${along(kernel, p)} * ${inner}`))
  return {
    workgroupSize: columns * parts,
    groups: () => units * (chunks - 1),
    declarations: `${carry.declarations}\nvar<workgroup> totals: array<${carry.type}, ${columns * parts}>;`,
    body: `${position(kernel, tiling, chunks - 1)}
    let start = firstTile * ${length} + part;
    var sum = ${element('start')};
    for (var p = ${parts}; p < ${chunk * length}; p += ${parts}) { sum = ${carry.combine('sum', element('start + p'))}; }
    ${scanTotals(carry, tiling)}
    if (part == ${parts - 1}) { ${carry.store(memory, 2, `(unit * ${chunks} + chunk) * ${columns} + column`, 'sum')} }`,
  }
}

/** Slots beyond the line's end hold anything: only what comes after them in the scan sees them. */
const scanTiles = (kernel: Cumulative, carry: Carry, tiling: Tiling, memory: Memory): Pass => {
  const { n, inner, dtype } = kernel
  const { columns, parts, each, length, tiles, chunk, chunks, units } = tiling
  const lanes = columns * parts
  const eachSlot = (body: string): string => `for (var t = me; t < ${length * columns}; t += ${lanes}) {
      let p = tile * ${length} + t / ${columns};
      if (p < ${n} && i < ${inner}) { ${body} }
    }`
  const element = `first + ${along(kernel, 'p')} * ${inner}`
  return {
    workgroupSize: lanes,
    groups: () => units * chunks,
    declarations: `${carry.declarations}
var<workgroup> values: array<${typeOf(dtype)}, ${length * columns + (length * columns) / 32}>;
var<workgroup> totals: array<${carry.type}, ${lanes}>;
var<workgroup> carried: array<${carry.type}, ${columns}>;
fn slot(t: i32) -> i32 { return t + t / 32; } // lanes that are a power of two apart meet different banks`,
    body: `${position(kernel, tiling, chunks)}
  ${chunks === 1 ? '' : totalsBefore(carry, tiling, memory)}
  for (var tile = firstTile; tile < min(firstTile + ${chunk}, ${tiles}); tile++) {
    ${eachSlot(`values[slot(t)] = ${memory.load(0, element)};`)}
    workgroupBarrier();
    let mine = part * ${each * columns} + column;
    var sum = ${carry.lift('values[slot(mine)]')};
    for (var e = 1; e < ${each}; e++) { sum = ${carry.combine('sum', carry.lift(`values[slot(mine + e * ${columns})]`))}; }
    ${scanTotals(carry, tiling)}
    var running: ${carry.type};
    if (part > 0) { running = totals[me - ${columns}]; }
    if (tile > 0) {
      if (part > 0) { running = ${carry.combine('carried[column]', 'running')}; } else { running = carried[column]; }
    }
    for (var e = 0; e < ${each}; e++) {
      let at = slot(mine + e * ${columns});
      let x = ${carry.lift('values[at]')};
      if (e + part + tile > 0) { running = ${carry.combine('running', 'x')}; } else { running = x; }
      values[at] = ${carry.drop('running')};
    }
    workgroupBarrier();
    if (part == ${parts - 1}) { carried[column] = running; }
    ${eachSlot(memory.store(1, element, 'values[slot(t)]'))}
    workgroupBarrier();
  }`,
  }
}

/** The reduction of the chunks before this one, into `carried`: each part takes a run of them, and parts without one come last. */
const totalsBefore = (carry: Carry, tiling: Tiling, memory: Memory): string => {
  const { columns, parts, chunks } = tiling
  const total = (c: string): string => carry.load(memory, 2, `(unit * ${chunks} + ${c}) * ${columns} + column`)
  return `if (chunk > 0) {
    let run = (chunk + ${parts - 1}) / ${parts};
    let earliest = min(part * run, chunk - 1);
    var sum = ${total('earliest')};
    for (var c = earliest + 1; c < min(earliest + run, chunk); c++) { sum = ${carry.combine('sum', total('c'))}; }
    ${scanTotals(carry, tiling)}
    if (part == (chunk - 1) / run) { carried[column] = sum; }
    workgroupBarrier();
  }`
}
