/**
 * Flash attention in one pass: a workgroup takes a block of a head's queries past the keys that they see, with an online softmax. Scores of a
 * block stand in registers and then in workgroup memory; a row's maximum, its sum and its outputs stay in registers.
 */
import type { Attention } from '../../../src/core/kernel.ts'
import { fewQueries, isFew } from './attentionFew.ts'
import { addProduct, declareSums, keepRows, product, scaleSums, shareScores, storeSums, tileDeclarations } from './attentionProduct.ts'
import { blockLines, columnsSeen, finishScores, LOWEST, matrixOf, scoreDeclarations, scoreLines } from './attentionScores.ts'
import { type Tile, tileOf } from './attentionTile.ts'
import type { Emit } from './shader.ts'
import { components, times } from './text.ts'

export const emitAttention: Emit<Attention> = (kernel, memory, features) => {
  const { batch, heads, queries, keys, headDim, valueDim, dropout } = kernel
  if (batch * heads * queries === 0) return { passes: [], scratch: [] }
  if (isFew(kernel)) return fewQueries(kernel, memory, features)
  const work = { units: batch * heads, rows: queries, columns: keys, depths: [headDim], widths: [valueDim], softmax: true }
  const tile = tileOf(work, features)
  const blocks = Math.ceil(queries / tile.rows)
  const query = matrixOf(kernel.query, 'query', 'head', 'first', queries, headDim)
  const key = matrixOf(kernel.key, 'key', 'kvHead', 'start', keys, headDim)
  const value = matrixOf(kernel.value, 'value', 'kvHead', 'start', keys, valueDim)
  const out = matrixOf(kernel.out, 'out', 'head', 'first', queries, valueDim)
  const lse = matrixOf(kernel.lse, 'lse', 'head', 'first', queries, 1)
  const seen = columnsSeen(kernel, tile, 'queries', 'first')
  const body = `
  ${blockLines(kernel, tile, 'queries', blocks)}
  ${[query, key, value, out, lse].map(({ line }) => line).join('\n')}
  ${scoreLines(kernel, memory)}
  var top = vec4<f32>(${LOWEST});
  var sum = vec4<f32>();
  ${declareSums(tile, 'o', valueDim)}
  ${keepRows(memory, tile, 's', query.matrix)}
  for (var start = ${seen.begin}; start < ${seen.end}; start += ${tile.columns}) {
    ${product(memory, tile, 's', query.matrix, key.matrix)}
    ${finishScores(kernel, memory, tile, 's', 'queries')}
    var high = top;
    ${times(4, (c) => `high = max(high, select(top, s${c}, seen${c}));`).join('\n')}
    ${acrossLanes(tile, 'high', 'max(high, parts[y * ACROSS + i])')}
    let correction = exp4(top - high);
    top = high;
    ${times(4, (c) => `s${c} = select(vec4<f32>(), exp4(s${c} - top), seen${c});`).join('\n')}
    sum = sum * correction + s0 + s1 + s2 + s3;
    ${dropout === null ? '' : times(4, (c) => `s${c} *= keep${c};`).join('\n')}
    ${shareScores(tile, 's')}
    ${scaleSums(tile, 'o', valueDim, 'correction')}
    ${addProduct(memory, tile, 'o', value.matrix)}
  }
  ${acrossLanes(tile, 'sum', 'select(vec4<f32>(), sum, i > 0) + parts[y * ACROSS + i]')}
  let blind = sum == vec4<f32>();
  let inverse = select(1.0 / sum, vec4<f32>(), blind);
  ${scaleSums(tile, 'o', valueDim, 'inverse')}
  ${storeSums(memory, tile, 'o', out.matrix)}
  let logs = vec4<f32>(${components.map((r) => `c_fast_log(sum.${r})`).join(', ')});
  // -infinity by its bits, which no constant may hold
  let l0 = bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(top + logs), vec4<u32>(0xff800000u), blind));
  ${storeSums(memory, tile, 'l', lse.matrix)}`
  const declarations = [
    tileDeclarations(tile, { s: headDim }, [valueDim]),
    `var<workgroup> parts: array<vec4<f32>, ${tile.lanes}>;`,
    exp4,
    scoreDeclarations(kernel),
  ].join('\n')
  return { passes: [{ declarations, body, workgroupSize: tile.lanes, groups: () => batch * heads * blocks }], scratch: [] }
}

export const exp4 =
  'fn exp4(v: vec4<f32>) -> vec4<f32> { return vec4<f32>(c_fast_exp(v.x), c_fast_exp(v.y), c_fast_exp(v.z), c_fast_exp(v.w)); }'

/** Folds `name` over the lanes of a row, in their order. What follows needs a barrier before `parts` is written again. */
const acrossLanes = ({ across }: Tile, name: string, fold: string): string => `
    parts[lane] = ${name};
    workgroupBarrier();
    for (var i = 0; i < ${across}; i++) { ${name} = ${fold.replaceAll('ACROSS', `${across}`)}; }`
