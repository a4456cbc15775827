/** A pass as a WGSL module: bindings, the places of its arrays, the library functions that it names, and its body in `main`. */
import type { DType } from '../../../src/core/dtype.ts'
import { library } from './library.ts'
import { type Memory, type Pass, typeOf } from './shader.ts'

/** `load3(at)` and `store3(at, value)`, which every module defines for each of its arrays. */
export const memory: Memory = {
  load: (arg, at) => `load${arg}(${at})`,
  store: (arg, at, value) => `store${arg}(${at}, ${value});`,
}

/**
 * A segment's record, as the uniform table holds it: the launch's extent, how many workgroups the segment has, and where each array starts in
 * its buffer, in words; padded to whole vec4s.
 */
export const recordQuads = (arrays: number): number => Math.ceil((arrays + 2) / 4)

/** `slots`: which storage binding holds each array. `segments`: records behind one another, chosen by the workgroup's z. */
export const moduleOf = (pass: Pass, dtypes: readonly DType[], slots: readonly number[], segments: number): string => {
  const quads = recordQuads(dtypes.length)
  const field = (i: number): string => `table[record + ${i >> 2}u].${'xyzw'[i & 3]}`
  const bindings = [...new Set(slots)].map((slot) => `@group(1) @binding(${slot}) var<storage, read_write> memory${slot}: array<u32>;`)
  const used = dtypes.map((_, i) => new RegExp(`\\b(load|store)${i}\\b`).test(pass.declarations + pass.body))
  const arrays = dtypes.flatMap((dtype, i) => (used[i] ? [access(dtype, i, slots[i]!)] : []))
  const places = dtypes.flatMap((_, i) => (used[i] ? [`  place${i} = ${field(i + 2)};`] : []))
  const code = [pass.declarations, pass.body].join('\n')
  return [
    `@group(0) @binding(0) var<uniform> table: array<vec4<u32>, ${quads * segments}>;`,
    ...bindings,
    ...arrays,
    ...library(code),
    pass.declarations,
    `@compute @workgroup_size(${pass.workgroupSize})`,
    'fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {',
    `  let record = id.z * ${quads}u;`,
    '  let extent = table[record].x;',
    '  let group = id.x + id.y * grid.x;',
    '  if (group >= table[record].y) { return; }',
    ...places,
    pass.body,
    '}',
  ]
    .filter((line) => line !== '')
    .join('\n')
}

/** Words of a buffer as an array's elements. Bools are stored as 0 and 1. */
const access = (dtype: DType, i: number, slot: number): string => {
  const type = typeOf(dtype)
  const word = `memory${slot}[place${i} + u32(at)]`
  const read = type === 'u32' ? word : type === 'bool' ? `${word} != 0u` : `bitcast<${type}>(${word})`
  const written = type === 'u32' ? 'value' : type === 'bool' ? 'select(0u, 1u, value)' : 'bitcast<u32>(value)'
  return [
    `var<private> place${i}: u32;`,
    `fn load${i}(at: i32) -> ${type} { return ${read}; }`,
    `fn store${i}(at: i32, value: ${type}) { ${word} = ${written}; }`,
  ].join('\n')
}
