/** A pass as a WGSL module: bindings, the places of its arrays, the library functions that it names, and its body in `main`. */
import { type DType, isHalf } from '../../../src/core/dtype.ts'
import { library } from './library.ts'
import { type Memory, type Pass, typeOf } from './shader.ts'
import { times } from './text.ts'

/** `load3(at)`, `store3(at, value)`, of vectors `loads3` and `stores3`, of pairs `couple3` and `pair3`: every module defines those that it names. */
export const memory: Memory = {
  load: (arg, at) => `load${arg}(${at})`,
  store: (arg, at, value) => `store${arg}(${at}, ${value});`,
  load4: (arg, at) => `loads${arg}(${at})`,
  store4: (arg, at, value) => `stores${arg}(${at}, ${value});`,
  load2: (arg, at) => `couple${arg}(${at})`,
  store2: (arg, at, bits) => `pair${arg}(${at}, ${bits});`,
  same: (a, b) => `same${a}_${b}()`,
}

/**
 * A segment's record, as the uniform table holds it: the launch's extent, how many workgroups the segment has, the pass's span, and from
 * word `PLACES` on where each array starts in its buffer, in words; padded to whole vec4s.
 */
export const PLACES = 3
export const recordQuads = (arrays: number): number => Math.ceil((arrays + PLACES) / 4)
/** Bytes of records that a dispatch can read. */
export const RECORD_BYTES = 4096

/** A pass in a module: which storage binding holds each of its arrays, and how many of the dispatch's segments are its. */
export interface Part {
  readonly pass: Pass
  readonly dtypes: readonly DType[]
  readonly slots: readonly number[]
  readonly segments: number
}

/**
 * One pass, or several that are independent, of one size and with memory bound in one way. Records lie behind one another; the workgroup's z
 * chooses one, and thereby the pass.
 */
export const moduleOf = (parts: readonly Part[]): string => {
  const quads = Math.max(...parts.map(({ dtypes }) => recordQuads(dtypes.length)))
  const [{ pass: first }] = parts as readonly [Part]
  const bindings = [...new Set(parts.flatMap(({ slots }) => slots))].map(
    (slot) => `@group(1) @binding(${slot}) var<storage, read_write> memory${slot}: array<${first.wide === true ? 'vec4<u32>' : 'u32'}>;`,
  )
  const texts = parts.map((part, i) => (parts.length === 1 ? partOf(part) : apart(partOf(part), `p${i}_`)))
  const code = texts.flatMap(({ declarations, body }) => [declarations, body]).join('\n')
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, { segments }) => sum + segments, 0))
  const bodies = texts.map(({ body }, i) => (i < texts.length - 1 ? `if (id.z < ${ends[i]}u) {\n${body}\n} else {` : body))
  return [
    code.includes('subgroup') ? 'enable subgroups;' : '',
    code.includes('subgroup_matrix') ? 'enable chromium_experimental_subgroup_matrix;' : '',
    /\bf16\b/.test(code) ? 'enable f16;' : '',
    `@group(0) @binding(0) var<uniform> table: array<vec4<u32>, ${RECORD_BYTES / 16}>;`,
    ...bindings,
    ...library(code),
    ...texts.map(({ declarations }) => declarations),
    `@compute @workgroup_size(${first.workgroupSize})`,
    'fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32' +
      (code.includes('subgroupId') ? ', @builtin(subgroup_id) subgroupId: u32' : '') +
      ') {',
    `  let record = id.z * ${quads}u;`,
    '  let extent = table[record].x;',
    '  let group = id.x + id.y * grid.x;',
    '  if (group >= table[record].y) { return; }',
    parts.every(({ pass }) => pass.span === undefined) ? '' : '  let span = table[record].z;',
    ...bodies,
    '}'.repeat(parts.length),
  ]
    .filter((line) => line !== '')
    .join('\n')
}

/** What a pass's workgroup variables take: arrays of numbers and vectors. */
export const workgroupBytes = ({ declarations }: Pass): number =>
  [...declarations.matchAll(/var<workgroup> \w+: (?:array<)?(?:vec([234])<)?\w+>?(?:, (\d+)>)?;/g)].reduce(
    (sum, [, lanes, count]) => sum + 4 * (lanes === '3' ? 4 : Number(lanes ?? 1)) * Number(count ?? 1),
    0,
  )

interface Texts {
  readonly declarations: string
  readonly body: string
}
/** A pass's own text: functions for the accesses that it names, and the places of its arrays. */
const partOf = ({ pass, dtypes, slots }: Part): Texts => {
  const field = (i: number): string => `table[record + ${i >> 2}u].${'xyzw'[i & 3]}`
  const code = [pass.declarations, pass.body].join('\n')
  const named = new Set(code.match(/\b((load|store)s?|couple|pair)\d+\b/g))
  const functions = dtypes.map((dtype, i) => accessesOf(dtype, i, slots[i]!, pass.wide === true).filter(([name]) => named.has(name)))
  const arrays = functions.flatMap((own, i) => (own.length > 0 ? [`var<private> place${i}: u32;`, ...own.map(([, text]) => text)] : []))
  const places = functions.flatMap((own, i) => (own.length > 0 ? [`  place${i} = ${field(i + PLACES)};`] : []))
  const same = [...new Set(code.match(/\bsame\d+_\d+\b/g))].map((name) => samePlace(name, slots))
  return {
    declarations: [...arrays, ...same, pass.declarations].filter((line) => line !== '').join('\n'),
    body: [...places, pass.body].join('\n'),
  }
}
/** The same with names at module scope of its own. */
const apart = ({ declarations, body }: Texts, prefix: string): Texts => {
  const names = [...declarations.matchAll(/^\s*(?:fn|struct|const|alias|var<\w+>)\s+(\w+)/gm)].map(([, name]) => name!)
  if (names.length === 0) return { declarations, body }
  const own = new RegExp(`(?<![.\\w])(${names.join('|')})\\b`, 'g')
  const renamed = (text: string): string => text.replace(own, `${prefix}$1`)
  return { declarations: renamed(declarations), body: renamed(body) }
}

/** Arrays in one place are in one buffer, which has one binding. */
const samePlace = (name: string, slots: readonly number[]): string => {
  const [a, b] = name.match(/\d+/g)!.map(Number) as [number, number]
  return `fn ${name}() -> bool { return ${slots[a] === slots[b] ? `place${a} == place${b}` : 'false'}; }`
}

type Access = readonly [name: string, text: string]

/** Words of a buffer as an array's elements, by function name. Bools are stored as 0 and 1. */
const accessesOf = (dtype: DType, i: number, slot: number, wide: boolean): readonly Access[] => {
  if (isHalf(dtype)) return accessesOfHalves(i, slot, wide)
  const type = typeOf(dtype)
  /** Of one word, or of four: `words` as elements, and elements as words. */
  const as = (to: 'u32' | 'vec4<u32>', words: string): { readonly type: string; readonly read: string; readonly written: string } => {
    const elements = to.replace('u32', type)
    if (type === 'u32') return { type: elements, read: words, written: 'value' }
    if (type === 'bool') return { type: elements, read: `${words} != ${to}()`, written: `select(${to}(), ${to}(1), value)` }
    return { type: elements, read: `bitcast<${elements}>(${words})`, written: `bitcast<${to}>(value)` }
  }
  const at = `place${i} + u32(at)`
  const words = `memory${slot}[${wide ? `(${at}) >> 2u` : at}]`
  const word = wide ? `${words}[(${at}) & 3u]` : words
  const [one, four] = [as('u32', word), as('vec4<u32>', wide ? words : 'words')]
  const load = [`load${i}`, `fn load${i}(at: i32) -> ${one.type} { return ${one.read}; }`] as const
  if (!wide) {
    const each = times(4, (k) => `memory${slot}[base + ${k}u]`)
    return [
      load,
      [`store${i}`, `fn store${i}(at: i32, value: ${one.type}) { ${word} = ${one.written}; }`],
      [
        `loads${i}`,
        `fn loads${i}(at: i32) -> ${four.type} { let base = ${at}; let words = vec4(${each.join(', ')}); return ${four.read}; }`,
      ],
      [
        `stores${i}`,
        `fn stores${i}(at: i32, value: ${four.type}) { let base = ${at}; let words = ${four.written}; ${each.map((to, k) => `${to} = words[${k}];`).join(' ')} }`,
      ],
    ]
  }
  // No store of one word: it might be torn from its neighbours, which other invocations store.
  return [
    load,
    [`loads${i}`, `fn loads${i}(at: i32) -> ${four.type} { return ${four.read}; }`],
    [`stores${i}`, `fn stores${i}(at: i32, value: ${four.type}) { ${words} = ${four.written}; }`],
  ]
}

/** 16-bit floats as their bits: two share a word. */
const accessesOfHalves = (i: number, slot: number, wide: boolean): readonly Access[] => {
  const word = (at: string): string => (wide ? `memory${slot}[(${at}) >> 2u][(${at}) & 3u]` : `memory${slot}[${at}]`)
  const at = `place${i} + (u32(at) >> 1u)`
  const two = `let base = ${at}; let words = vec2(${word('base')}, ${word('base + 1u')});`
  const load = [`load${i}`, `fn load${i}(at: i32) -> u32 { return (${word(at)} >> (16u * (u32(at) & 1u))) & 0xffffu; }`] as const
  const loads = [
    `loads${i}`,
    `fn loads${i}(at: i32) -> vec4<u32> { ${two} return vec4(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u); }`,
  ] as const
  const couple = [`couple${i}`, `fn couple${i}(at: i32) -> u32 { return ${word(at)}; }`] as const
  if (wide) return [load, loads, couple]
  return [
    load,
    loads,
    couple,
    [
      `stores${i}`,
      `fn stores${i}(at: i32, value: vec4<u32>) { let base = ${at}; ${word('base')} = value.x | (value.y << 16u); ${word('base + 1u')} = value.z | (value.w << 16u); }`,
    ],
    [`pair${i}`, `fn pair${i}(at: i32, bits: u32) { ${word(at)} = bits; }`],
  ]
}
