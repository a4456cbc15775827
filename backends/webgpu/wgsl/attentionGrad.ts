/**
 * The gradient of flash attention in two passes that compute scores again from lse: by blocks of queries delta = Σ out·ct and dQuery, then by
 * blocks of keys dKey and dValue, over all query heads that read them. So every sum has one owner and one order.
 *
 *   P = exp(S - lse), dS = P (ct·value keep - delta) scale, dQuery = dS key, dKey = dSᵀ query, dValue = (P keep)ᵀ ct
 */
import type { AttentionGrad, Strided } from '../../../src/core/kernel.ts'
import { exp4 } from './attention.ts'
import {
  addProduct,
  declareSums,
  keepRows,
  type Matrix,
  placeOf,
  product,
  shareScores,
  storeSums,
  tileDeclarations,
} from './attentionProduct.ts'
import { blockLines, columnsSeen, finishScores, matrixOf, scoreDeclarations, scoreLines, type Side } from './attentionScores.ts'
import { type Tile, tileOf } from './attentionTile.ts'
import { constantOf } from './scalar.ts'
import type { Emit, Features, Memory, Pass } from './shader.ts'
import { components, times } from './text.ts'

export const emitAttentionGrad: Emit<AttentionGrad> = (kernel, memory, features) => {
  const { batch, heads, group, queries, keys, args } = kernel
  const empty = batch * Math.floor(heads / group) === 0
  const delta: Strided = { arg: args.length, strides: [heads * queries, queries, 1, 0], offset: 0 }
  return {
    passes: [
      ...(empty || queries === 0 ? [] : [queryPass(kernel, delta, memory, features)]),
      ...(empty || keys === 0 ? [] : [keyPass(kernel, delta, memory, features)]),
    ],
    scratch: [{ dtype: 'float32', size: batch * heads * queries }],
  }
}

/** The operands as matrices: of a block's rows from `first` on, of columns from `start` on. */
const matricesOf = (kernel: AttentionGrad, delta: Strided, rows: Side) => {
  const { queries, keys, headDim, valueDim } = kernel
  const ofQueries = (operand: Strided, name: string, width: number) =>
    matrixOf(operand, name, 'head', rows === 'queries' ? 'first' : 'start', queries, width)
  const ofKeys = (operand: Strided, name: string, width: number) =>
    matrixOf(operand, name, 'kvHead', rows === 'keys' ? 'first' : 'start', keys, width)
  return {
    query: ofQueries(kernel.query, 'query', headDim),
    key: ofKeys(kernel.key, 'key', headDim),
    value: ofKeys(kernel.value, 'value', valueDim),
    out: ofQueries(kernel.out, 'out', valueDim),
    lse: ofQueries(kernel.lse, 'lse', 1),
    ct: ofQueries(kernel.ct, 'ct', valueDim),
    delta: ofQueries(delta, 'delta', 1),
    dQuery: ofQueries(kernel.dQuery, 'dQuery', headDim),
    dKey: ofKeys(kernel.dKey, 'dKey', headDim),
    dValue: ofKeys(kernel.dValue, 'dValue', valueDim),
  }
}

const queryPass = (kernel: AttentionGrad, scratch: Strided, memory: Memory, features: Features): Pass => {
  const { batch, heads, queries, keys, headDim, valueDim } = kernel
  const depths = [headDim, valueDim]
  const tile = tileOf({ units: batch * heads, rows: queries, columns: keys, depths, widths: [headDim], softmax: false }, features)
  const blocks = Math.ceil(queries / tile.rows)
  const { query, key, value, out, lse, ct, delta, dQuery } = matricesOf(kernel, scratch, 'queries')
  const seen = columnsSeen(kernel, tile, 'queries', 'first')
  const body = `
  ${blockLines(kernel, tile, 'queries', blocks)}
  ${[query, key, value, out, lse, ct, delta, dQuery].map(({ line }) => line).join('\n')}
  ${scoreLines(kernel, memory)}
  ${deltaLines(memory, tile, out.matrix, ct.matrix)}
  ${storeSums(memory, tile, 'delta', delta.matrix)}
  var lse = vec4<f32>();
  ${eachRow(tile, lse.matrix, (r) => `lse.${r} = settled(${memory.load(lse.matrix.operand.arg, placeOf(lse.matrix, 'row', '0'))});`)}
  ${declareSums(tile, 'o', headDim)}
  ${keepRows(memory, tile, 's', query.matrix)}
  ${keepRows(memory, tile, 't', ct.matrix)}
  for (var start = ${seen.begin}; start < ${seen.end}; start += ${tile.columns}) {
    ${product(memory, tile, 's', query.matrix, key.matrix)}
    ${product(memory, tile, 't', ct.matrix, value.matrix)}
    ${finishScores(kernel, memory, tile, 's', 'queries')}
    ${times(4, (c) => `s${c} = ${dScore(kernel, c, `exp4(s${c} - lse)`, 'delta0')};`).join('\n')}
    ${shareScores(tile, 's')}
    ${addProduct(memory, tile, 'o', key.matrix)}
  }
  ${storeSums(memory, tile, 'o', dQuery.matrix)}`
  return { declarations: declarationsOf(kernel, tile), body, workgroupSize: tile.lanes, groups: () => batch * heads * blocks }
}

const keyPass = (kernel: AttentionGrad, scratch: Strided, memory: Memory, features: Features): Pass => {
  const { batch, heads, group, queries, keys, headDim, valueDim, dropout } = kernel
  const units = batch * Math.floor(heads / group)
  const depths = [headDim, valueDim]
  const tile = tileOf({ units, rows: keys, columns: queries, depths, widths: depths, softmax: false }, features)
  const blocks = Math.ceil(keys / tile.rows)
  const { query, key, value, lse, ct, delta, dKey, dValue } = matricesOf(kernel, scratch, 'keys')
  const seen = columnsSeen(kernel, tile, 'keys', 'first')
  const ofColumn = ({ operand, base }: Matrix, c: number): string =>
    memory.load(operand.arg, `${base} + column${c} * ${operand.strides[2]!}`)
  const body = `
  ${blockLines(kernel, tile, 'keys', blocks)}
  ${[key, value, dKey, dValue].map(({ line }) => line).join('\n')}
  ${scoreLines(kernel, memory)}
  ${declareSums(tile, 'k', headDim)}
  ${declareSums(tile, 'v', valueDim)}
  ${keepRows(memory, tile, 's', key.matrix)}
  ${keepRows(memory, tile, 't', value.matrix)}
  for (var member = 0; member < ${group}; member++) {
    let head = kvHead * ${group} + member;
    ${[query, lse, ct, delta].map(({ line }) => line).join('\n')}
    for (var start = ${seen.begin}; start < ${seen.end}; start += ${tile.columns}) {
      ${product(memory, tile, 's', key.matrix, query.matrix)}
      ${product(memory, tile, 't', value.matrix, ct.matrix)}
      ${finishScores(kernel, memory, tile, 's', 'keys')}
      ${times(
        4,
        (c) => `
      var lse${c} = 0.0;
      var delta${c} = 0.0;
      if (column${c} < ${queries}) {
        lse${c} = settled(${ofColumn(lse.matrix, c)});
        delta${c} = ${ofColumn(delta.matrix, c)};
      }
      let p${c} = select(vec4<f32>(), exp4(s${c} - lse${c}), seen${c});
      s${c} = p${c}${dropout === null ? '' : ` * keep${c}`};
      t${c} = ${dScore(kernel, c, `p${c}`, `delta${c}`)};`,
      ).join('')}
      ${shareScores(tile, 's')}
      ${addProduct(memory, tile, 'v', ct.matrix)}
      ${shareScores(tile, 't')}
      ${addProduct(memory, tile, 'k', query.matrix)}
    }
  }
  ${storeSums(memory, tile, 'k', dKey.matrix)}
  ${storeSums(memory, tile, 'v', dValue.matrix)}`
  return { declarations: declarationsOf(kernel, tile), body, workgroupSize: tile.lanes, groups: () => units * blocks }
}

/** dS of a column from P and t = ct·value; 0 where hidden, whatever is there. */
const dScore = ({ softcap, dropout, scale }: AttentionGrad, c: number, p: string, delta: string): string =>
  `select(vec4<f32>(), ${p} * (t${c}${dropout === null ? '' : ` * keep${c}`} - ${delta})${softcap === null ? '' : ` * (1.0 - bend${c} * bend${c})`} * ${constantOf('float32', scale)}, seen${c})`

/** Names delta0, of the lane's rows: lanes of a row share its columns, and then add their parts in one order. */
const deltaLines = (memory: Memory, tile: Tile, out: Matrix, ct: Matrix): string => {
  const at = (m: Matrix): string => memory.load(m.operand.arg, placeOf(m, 'row', 'e'))
  return `
  var part = vec4<f32>();
  for (var e = x; e < ${out.width}; e += ${tile.across}) {
    ${eachRow(tile, out, (r) => `part.${r} += ${at(out)} * ${at(ct)};`)}
  }
  stage[lane] = part;
  workgroupBarrier();
  var delta0 = vec4<f32>();
  for (var i = 0; i < ${tile.across}; i++) { delta0 += stage[y * ${tile.across} + i]; }
  workgroupBarrier();`
}

/** A text for each of the lane's rows that exist, `row`. */
const eachRow = ({ down, rows }: Tile, { first, count }: Matrix, text: (component: string) => string): string =>
  components
    .map((r, i) => {
      const guard = count % rows === 0 ? '' : `if (row < ${count}) `
      return `{ let row = ${first} + y + ${i * down}; ${guard}{ ${text(r)} } }`
    })
    .join('\n')

const declarationsOf = (kernel: AttentionGrad, tile: Tile): string =>
  [
    tileDeclarations(tile, { s: kernel.headDim, t: kernel.valueDim }, [kernel.headDim, kernel.valueDim]),
    exp4,
    // A row that saw nothing, by its bits: lse so high that every weight is 0.
    'fn settled(lse: f32) -> f32 { return select(lse, 0x1.fffffep+127f, bitcast<u32>(lse) == 0xff800000u); }',
    scoreDeclarations(kernel),
  ].join('\n')
