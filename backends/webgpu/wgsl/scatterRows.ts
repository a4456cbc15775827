/**
 * The fold of long runs with few columns, as of a histogram: a workgroup to a row finds its run among the sorted rows and folds it. Where the
 * operation is associative all lanes reduce; a float sum or product keeps the updates' order: all lanes fetch, one of each column folds.
 */
import type { Scatter } from '../../../src/core/kernel.ts'
import { combineOf } from './scatterText.ts'
import { type Memory, type Pass, typeOf } from './shader.ts'

/** `sorted`: the array of sorted rows and then their updates' numbers. */
export const scatterRows = (kernel: Scatter, memory: Memory, sorted: number): Pass => {
  const { rows, rest, count, dtype, combine } = kernel
  const { load, store } = memory
  const columns = 2 ** Math.ceil(Math.log2(rest))
  const parts = 256 / columns
  const next = combineOf(kernel)
  const ordered = dtype === 'float32' && (combine === 'add' || combine === 'mul')
  const update = (p: string): string => load(2, `i32(${load(sorted, `${count} + ${p}`)}) * ${rest} + min(j, ${rest - 1})`)
  const reduce = `
  var value: ${typeOf(dtype)};
  if (part < end - start) { value = ${update('start + part')}; }
  for (var p = start + part + ${parts}; p < end; p += ${parts}) { value = ${next('value', update('p'))}; }
  folded[me] = value;
  workgroupBarrier();
  for (var stride = ${parts / 2}; stride > 0; stride /= 2) {
    if (part < stride && part + stride < end - start) { folded[me] = ${next('folded[me]', `folded[me + stride * ${columns}]`)}; }
    workgroupBarrier();
  }
  if (part == 0 && j < ${rest} && start < end) { ${store(3, 'place', next(load(3, 'place'), 'folded[me]'))} }`
  const inOrder = `
  var value = ${load(3, 'place')};
  for (var p = start; p < end; p += ${parts}) {
    if (p + part < end) { folded[me] = ${update('p + part')}; }
    workgroupBarrier();
    if (part == 0) {
      for (var q = 0; q < min(${parts}, end - p); q++) { value = ${next('value', `folded[q * ${columns} + j]`)}; }
    }
    workgroupBarrier();
  }
  if (part == 0 && j < ${rest} && start < end) { ${store(3, 'place', 'value')} }`
  return {
    workgroupSize: 256,
    groups: () => rows,
    declarations: `var<workgroup> folded: array<${typeOf(dtype)}, 256>;
var<workgroup> runStart: i32;
var<workgroup> runEnd: i32;`,
    body: `
  let me = i32(lane);
  let j = me % ${columns};
  let part = me / ${columns};
  let place = i32(group) * ${rest} + min(j, ${rest - 1});
  if (me < 2) { // the first place whose row is not before this one, or the next
    var low = 0;
    var high = ${count};
    while (low < high) {
      let middle = (low + high) / 2;
      if (${load(sorted, 'middle')} < group + lane) { low = middle + 1; } else { high = middle; }
    }
    if (me == 0) { runStart = low; } else { runEnd = low; }
  }
  let start = workgroupUniformLoad(&runStart);
  let end = workgroupUniformLoad(&runEnd);
  ${ordered ? inOrder : reduce}`,
  }
}
