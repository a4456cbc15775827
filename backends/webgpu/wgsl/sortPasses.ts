/**
 * A stable merge sort of lines by keys of some words, as passes: a bitonic network in workgroup memory sorts blocks, then each pass merges
 * runs by pairs, a workgroup to a tile of the result (merge path). A line that fits a block takes one pass; others take two
 * texts more, whatever their length, since a run's width travels in scratch memory, and a last pass that hands over the result.
 */
import { powerOfTwo } from './indices.ts'
import type { Features, Memory, Pass, Scratch, Shader } from './shader.ts'

export interface Sorting {
  readonly lines: number
  readonly n: number
  /** Words of a key; the first counts most. */
  readonly words: number
  /** Module-scope text that `word` needs. */
  readonly declarations: string
  /** Word k of the key of element j of a line: a u32 expression. */
  readonly word: (k: number, line: string, j: string) => string
  /** Statements for element j of a sorted line, which was element `origin`. */
  readonly result: (line: string, j: string, origin: string, key: (k: number) => string) => string
  /** Neighbours in memory are of neighbouring lines. */
  readonly interleaved: boolean
}

/** What 16 KiB of workgroup memory hold, WebGPU's least: elements of a block and of a merged tile, powers of two. */
const capacity = (words: number, most: number, { maxWorkgroupBytes }: Features, extra = 0): number => {
  const fit = (Math.min(maxWorkgroupBytes, 16384) - extra) / (4 * words)
  return Math.min(most, 2 ** Math.floor(Math.log2(fit)))
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** xs < ys lexicographically; `last` decides between equals. */
const lexicographic = (xs: readonly string[], ys: readonly string[], last: string): string =>
  xs.reduceRight((rest, x, k) => `(${x} < ${ys[k]!} || (${x} == ${ys[k]!} && ${rest}))`, last)

/** `scratch`: the number of the first scratch array. */
export const sortPasses = (sorting: Sorting, memory: Memory, features: Features, scratch: number): Shader => {
  const { lines, n, words } = sorting
  if (lines * n === 0) return { passes: [], scratch: [] }
  const block = capacity(words + 1, 2048, features)
  if (n <= block) return { passes: [sortBlocks(sorting, features, block, sorting.result)], scratch: [] }
  const runs = ['even', 'odd'].map((_, i) => runsIn(scratch + i, sorting, memory))
  const rounds = Math.ceil(Math.log2(n / block))
  const [evenToOdd, oddToEven] = [mergeRuns(sorting, features, runs[0]!, runs[1]!), mergeRuns(sorting, features, runs[1]!, runs[0]!)]
  const first = sortBlocks(sorting, features, block, runs[0]!.put)
  return {
    passes: [
      { ...first, body: `${first.body}\n${runs[0]!.setWidth(`${block}u`)}` },
      ...range(rounds - 1).map((round) => (round % 2 === 0 ? evenToOdd : oddToEven)),
      mergeRuns(sorting, features, runs[(rounds - 1) % 2]!, null),
    ],
    scratch: runs.slice(0, Math.min(rounds, 2)).map(({ array }) => array),
  }
}

/** Sorted runs in scratch memory: word by word, then origins, then the runs' width. */
interface Runs {
  readonly array: Scratch
  readonly word: (k: number, line: string, j: string) => string
  readonly origin: (line: string, j: string) => string
  readonly put: Sorting['result']
  readonly width: string
  /** By one invocation of the dispatch. */
  readonly setWidth: (value: string) => string
}

const runsIn = (arg: number, { lines, n, words }: Sorting, { load, store }: Memory): Runs => {
  const size = lines * n
  const at = (k: number, line: string, j: string): string => `${k * size} + ${line} * ${n} + ${j}`
  return {
    array: { dtype: 'uint32', size: (words + 1) * size + 1 },
    word: (k, line, j) => load(arg, at(k, line, j)),
    origin: (line, j) => load(arg, at(words, line, j)),
    put: (line, j, origin, key) =>
      [...range(words).map((k) => store(arg, at(k, line, j), key(k))), store(arg, at(words, line, j), `u32(${origin})`)].join('\n'),
    width: load(arg, `${(words + 1) * size}`),
    setWidth: (value) => `if (group == 0u && lane == 0u) { ${store(arg, `${(words + 1) * size}`, value)} }`,
  }
}

/**
 * Several whole lines a workgroup, each in a power of two of slots, or one block of a line. Slots beyond a line's end hold the largest key and
 * a late origin, which makes them last.
 */
const sortBlocks = (sorting: Sorting, { maxWorkgroupSize }: Features, block: number, result: Sorting['result']): Pass => {
  const { lines, n, words, interleaved } = sorting
  const whole = n <= block
  const width = whole ? powerOfTwo(n) : block
  const together = whole ? Math.min(block / width, powerOfTwo(lines)) : 1
  const slots = width * together
  const pairs = Math.floor(slots / 2)
  const blocks = Math.ceil(n / width)
  const lanes = Math.min(maxWorkgroupSize, 256, Math.max(pairs, 1))
  const place = whole
    ? interleaved
      ? `let slot = t % ${together} * ${width} + t / ${together};\n    let line = first + t % ${together};\n    let j = t / ${together};`
      : `let slot = t;\n    let line = first + t / ${width};\n    let j = t % ${width};`
    : `let slot = t;\n    let line = first;\n    let j = start + t;`
  const keys = range(words)
  return {
    workgroupSize: lanes,
    groups: () => (whole ? Math.ceil(lines / together) : lines * blocks),
    declarations: [sorting.declarations, workgroupArrays(words, slots), exchange(words)].join('\n'),
    body: `
  let me = i32(lane);
  let first = ${whole ? `i32(group) * ${together}` : `i32(group) / ${blocks}`};
  let start = ${whole ? '0' : `i32(group) % ${blocks} * ${width}`};
  for (var t = me; t < ${slots}; t += ${lanes}) {
    ${place}
    origins[slot] = u32(j);
    if (line < ${lines} && j < ${n}) {
${keys.map((k) => `      keys${k}[slot] = ${sorting.word(k, 'line', 'j')};`).join('\n')}
    } else {
${keys.map((k) => `      keys${k}[slot] = 0xffffffffu;`).join('\n')}
    }
  }
  for (var size = 2; size <= ${width}; size *= 2) {
    workgroupBarrier();
    for (var i = me; i < ${pairs}; i += ${lanes}) { // two sorted halves: each slot with its mirror
      let within = i & (size / 2 - 1);
      let base = (i - within) * 2;
      exchange(base + within, base + size - 1 - within);
    }
    for (var stride = size / 4; stride > 0; stride /= 2) {
      workgroupBarrier();
      for (var i = me; i < ${pairs}; i += ${lanes}) {
        let within = i & (stride - 1);
        let a = i * 2 - within;
        exchange(a, a + stride);
      }
    }
  }
  workgroupBarrier();
  for (var t = me; t < ${slots}; t += ${lanes}) {
    ${place}
    if (line < ${lines} && j < ${n}) {
      let origin = i32(origins[slot]);
${result('line', 'j', 'origin', (k) => `keys${k}[slot]`)}
    }
  }`,
  }
}

const workgroupArrays = (words: number, slots: number): string =>
  [...range(words).map((k) => `keys${k}`), 'origins'].map((name) => `var<workgroup> ${name}: array<u32, ${slots}>;`).join('\n')

/** Puts the lesser of two slots' elements into slot a. */
const exchange = (words: number): string => {
  const names = [...range(words).map((k) => `keys${k}`), 'origins']
  const values = (letter: string): string[] => names.map((_, k) => `${letter}${k}`)
  const [xs, ys] = [values('x'), values('y')]
  return `fn exchange(a: i32, b: i32) {
${names.map((name, k) => `  let x${k} = ${name}[a];\n  let y${k} = ${name}[b];`).join('\n')}
  if (${lexicographic(ys, xs, 'false')}) {
${names.map((name, k) => `    ${name}[a] = y${k};\n    ${name}[b] = x${k};`).join('\n')}
  }
}`
}

/**
 * Merges runs of `from` by pairs, into runs twice as wide or, where `to` is null, into the result. What precedes position d of a merged pair is
 * a prefix of each of its runs: a binary search finds it, for a tile in memory and for a lane's part of the tile in workgroup
 * memory. Of equal elements the first run's come first, which makes the sort stable.
 */
const mergeRuns = (sorting: Sorting, features: Features, from: Runs, to: Runs | null): Pass => {
  const { lines, n, words } = sorting
  const tile = capacity(words + 2, 1024, features, 16) // 16 bytes for the cuts
  const lanes = Math.min(features.maxWorkgroupSize, 256, tile)
  const each = tile / lanes
  const tiles = Math.ceil(n / tile)
  const keys = range(words)
  const inMemory = (j: string): string[] => keys.map((k) => from.word(k, 'line', `(${j})`))
  const inTile = (slot: string): string[] => keys.map((k) => `keys${k}[${slot}]`)
  return {
    workgroupSize: lanes,
    groups: () => lines * tiles,
    declarations: `${workgroupArrays(words, tile)}
var<workgroup> order: array<u32, ${tile}>;
var<workgroup> cuts: array<i32, 2>;`,
    body: `
  let me = i32(lane);
  let line = i32(group) / ${tiles};
  let start = i32(group) % ${tiles} * ${tile};
  let count = min(${tile}, ${n} - start);
  let width = i32(${from.width});
  let left = start - start % (2 * width);
  let right = min(left + width, ${n});
  let end = min(right + width, ${n});
  if (me < 2) {
    let d = min(start + me * ${tile}, end) - left;
    var low = max(0, d - (end - right));
    var high = min(d, right - left);
    while (low < high) {
      let i = (low + high) / 2;
      if (${lexicographic(inMemory('right + d - 1 - i'), inMemory('left + i'), 'false')}) { high = i; } else { low = i + 1; }
    }
    cuts[me] = low;
  }
  workgroupBarrier();
  let leftCount = cuts[1] - cuts[0];
  let leftFrom = left + cuts[0];
  let rightFrom = right + (start - left - cuts[0]) - leftCount;
  for (var t = me; t < count; t += ${lanes}) {
    let j = select(rightFrom, leftFrom, t < leftCount) + t;
${keys.map((k) => `    keys${k}[t] = ${from.word(k, 'line', 'j')};`).join('\n')}
    origins[t] = ${from.origin('line', 'j')};
  }
  workgroupBarrier();
  let d = min(me * ${each}, count);
  var low = max(0, d - (count - leftCount));
  var high = min(d, leftCount);
  while (low < high) {
    let i = (low + high) / 2;
    let k = leftCount + d - 1 - i;
    if (${lexicographic(inTile('k'), inTile('i'), 'false')}) { high = i; } else { low = i + 1; }
  }
  var a = low;
  var b = leftCount + d - low;
  for (var t = d; t < min(d + ${each}, count); t++) {
    if (b >= count || (a < leftCount && !${lexicographic(inTile('b'), inTile('a'), 'false')})) {
      order[t] = u32(a);
      a++;
    } else {
      order[t] = u32(b);
      b++;
    }
  }
  workgroupBarrier();
  for (var t = me; t < count; t += ${lanes}) {
    let slot = order[t];
    let j = start + t;
    let origin = i32(origins[slot]);
${(to === null ? sorting.result : to.put)('line', 'j', 'origin', (k) => `keys${k}[slot]`)}
  }
  ${to === null ? '' : to.setWidth('u32(2 * width)')}`,
  }
}
