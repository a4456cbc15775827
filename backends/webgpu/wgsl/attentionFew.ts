/**
 * Attention of few queries, as when text is generated token by token: there are fewer rows than a tile is high, and what counts is that many
 * loads of keys and values are on their way. A workgroup takes one query; its teams take keys in turn, a team's lanes the elements of a key.
 * Each team has an online softmax of its own, and in the end they are merged.
 */
import { isHalf } from '../../../src/core/dtype.ts'
import type { Attention } from '../../../src/core/kernel.ts'
import { type Matrix, placeOf } from './attentionProduct.ts'
import { boundTexts, columnsSeen, keptText, LOWEST, matrixOf, scoreDeclarations, scoreLines } from './attentionScores.ts'
import { oddly } from './attentionTile.ts'
import { affineText } from './expressions.ts'
import { constantOf, scalarOp } from './scalar.ts'
import type { Features, Memory, Shader } from './shader.ts'
import { times } from './text.ts'

/** With more queries tiles read each key fewer times. */
export const isFew = ({ queries }: Attention): boolean => queries <= 4

interface Teams {
  readonly lanes: number
  /** Lanes of a team, how many teams, and the keys that each has at once. */
  readonly width: number
  readonly teams: number
  readonly each: number
}

const teamsOf = ({ keys, headDim, valueDim }: Attention, features: Features): Teams => {
  const lanes = Math.min(256, features.maxWorkgroupSize)
  // Some four to eight elements a lane.
  const width = Math.min(32, Math.max(4, 2 ** Math.ceil(Math.log2(Math.max(headDim, valueDim) / 4))))
  const teams = lanes / width
  return { lanes, width, teams, each: Math.max(1, Math.min(8, width, Math.ceil(keys / teams))) }
}

export const fewQueries = (kernel: Attention, memory: Memory, features: Features): Shader => {
  const { batch, heads, group, queries, keys, headDim, valueDim, args } = kernel
  const deal = teamsOf(kernel, features)
  const { lanes, width, teams, each } = deal
  const chunk = teams * each // no more than lanes
  const query = matrixOf(kernel.query, 'query', 'head', 'first', queries, headDim)
  const key = matrixOf(kernel.key, 'key', 'kvHead', 'start', keys, headDim)
  const value = matrixOf(kernel.value, 'value', 'kvHead', 'start', keys, valueDim)
  const out = matrixOf(kernel.out, 'out', 'head', 'first', queries, valueDim)
  const lse = matrixOf(kernel.lse, 'lse', 'head', 'first', queries, 1)
  const seen = columnsSeen(kernel, { rows: 1, columns: chunk }, 'queries', 'first')
  const elements = (m: Matrix, row: string, text: (element: string, e: number) => string): string =>
    times(Math.ceil(m.width / width), (e) => {
      const ragged = (e + 1) * width > m.width ? `if (column < ${m.width}) ` : ''
      const loaded = memory.load(m.operand.arg, placeOf(m, row, 'column'))
      const dtype = args[m.operand.arg]!
      const element = isHalf(dtype) ? scalarOp('cast', 'float32', [dtype], [loaded]) : loaded
      return `{ let column = x + ${e * width}; ${ragged}{ ${text(element, e)} } }`
    }).join('\n')
  const sums = Math.ceil(valueDim / width)
  const body = `
  let x = i32(lane % ${width}u);
  let team = i32(lane / ${width}u);
  let first = i32(group) % ${queries};
  let head = i32(group) / ${queries} % ${heads};
  let batch = i32(group) / ${queries * heads};
  let kvHead = head / ${group};
  ${[query, key, value, out, lse].map(({ line }) => line).join('\n')}
  ${scoreLines(kernel, memory)}
  ${times(Math.ceil(headDim / width), (e) => `var q${e} = 0.0;`).join('\n')}
  ${elements(query.matrix, 'first', (element, e) => `q${e} = ${element};`)}
  ${times(sums, (e) => `var o${e} = 0.0;`).join('\n')}
  var top = ${LOWEST};
  var sum = 0.0;
  for (var start = ${seen.begin}; start < ${seen.end}; start += ${chunk}) {
    for (var u = 0; u < ${each}; u++) {
      let n = u * ${teams} + team;
      let key = start + n;
      var part = 0.0;
      if (key < ${keys}) {
        ${elements(key.matrix, 'key', (element, e) => `part += q${e} * ${element};`)}
      }
      parts[n * ${oddly(width)} + x] = part;
    }
    workgroupBarrier();
    if (lane < ${chunk}u) {
      ${scoreOf(kernel, memory, width)}
      scores[lane] = score;
    }
    workgroupBarrier();
    var high = top;
    for (var u = 0; u < ${each}; u++) { high = max(high, scores[u * ${teams} + team].x); }
    let correction = c_fast_exp(top - high);
    top = high;
    sum *= correction;
    ${times(sums, (e) => `o${e} *= correction;`).join('\n')}
    for (var u = 0; u < ${each}; u++) {
      let key = start + u * ${teams} + team;
      let score = scores[u * ${teams} + team];
      if (score.y >= 0.0) {
        let weight = c_fast_exp(score.x - top);
        sum += weight;
        let kept = weight * score.y;
        ${elements(value.matrix, 'key', (element, e) => `o${e} += kept * ${element};`)}
      }
    }
  }
  if (x == 0) { stats[team] = vec2<f32>(top, sum); }
  ${times(sums, (e) => `if (x + ${e * width} < ${valueDim}) { parts[team * ${valueDim} + x + ${e * width}] = o${e}; }`).join('\n')}
  workgroupBarrier();
  ${mergeLines(deal)}
  for (var column = i32(lane); column < ${valueDim}; column += ${lanes}) {
    var value = 0.0;
    for (var t = 0; t < ${teams}; t++) { value += parts[t * ${valueDim} + column] * c_fast_exp(stats[t].x - best); }
    ${memory.store(kernel.out.arg, placeOf(out.matrix, 'first', 'column'), 'select(value / total, 0.0, blind)')}
  }
  if (lane == 0u) {
    // -infinity by its bits, which no constant may hold
    let logsumexp = bitcast<f32>(select(bitcast<u32>(best + c_fast_log(total)), 0xff800000u, blind));
    ${memory.store(kernel.lse.arg, placeOf(lse.matrix, 'first', '0'), 'logsumexp')}
  }`
  const declarations = [
    `var<workgroup> parts: array<f32, ${Math.max(chunk * oddly(width), teams * valueDim)}>;`,
    `var<workgroup> scores: array<vec2<f32>, ${chunk}>;`,
    `var<workgroup> stats: array<vec2<f32>, ${teams}>;`,
    scoreDeclarations(kernel),
  ].join('\n')
  return { passes: [{ declarations, body, workgroupSize: lanes, groups: () => batch * heads * queries }], scratch: [] }
}

/** A lane's key's score, with dropout's factor behind it: less than 0 where it is hidden. */
const scoreOf = (kernel: Attention, { load }: Memory, width: number): string => {
  const { bias, mask, dropout, scale, softcap } = kernel
  const index = ['batch', 'head', 'first', 'key']
  const seen = [`key < ${kernel.keys}`, ...boundTexts(kernel, 'first', 'key', 'i32')].join(' && ')
  return `let key = start + i32(lane);
      var score = vec2<f32>(${LOWEST}, -1.0);
      var seen = ${seen};
      ${mask === null ? '' : `if (seen) { seen = ${load(mask.arg, affineText(mask, index))}; }`}
      if (seen) {
        var s = 0.0;
        for (var i = 0; i < ${width}; i++) { s += parts[i32(lane) * ${oddly(width)} + i]; }
        s *= ${constantOf('float32', scale)};
        ${softcap === null ? '' : `s = c_tanh(s / ${constantOf('float32', softcap)}) * ${constantOf('float32', softcap)};`}
        ${bias === null ? '' : `s += ${load(bias.arg, affineText(bias, index))};`}
        score = vec2<f32>(s, ${dropout === null ? '1.0' : keptText(kernel, 'first', 'key')});
      }`
}

/** Names the greatest score of all teams, best, their sum, total, and whether nothing was seen, blind. */
const mergeLines = ({ teams }: Teams): string => `
  var best = ${LOWEST};
  for (var t = 0; t < ${teams}; t++) { best = max(best, stats[t].x); }
  var total = 0.0;
  for (var t = 0; t < ${teams}; t++) { total += stats[t].y * c_fast_exp(stats[t].x - best); }
  let blind = total == 0.0;`
