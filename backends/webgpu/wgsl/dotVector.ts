/**
 * A matrix by a vector, as in decoding. It takes as long as the matrix streams in, so lanes read that as vectors, once, and keep nothing of it.
 * Four results that lie side by side are a unit. Where neighbours in the matrix are along the results, a unit's lanes have every so many-th
 * term of the sum; where they are along the sum, each has four terms of all four.
 */
import type { Dot, Expr, Output } from '../../../src/core/kernel.ts'
import { bareLoad, inVectors } from './dotOperand.ts'
import { finish } from './dotTile.ts'
import { affineText, evaluation } from './expressions.ts'
import { isHalfOutput } from './halves.ts'
import { indexLines, indexNames, powerOfTwo, product } from './indices.ts'
import { foldLines } from './lanes.ts'
import { isReduced, ownRow } from './ownRow.ts'
import { type Features, type Memory, type Pass, typeOf } from './shader.ts'
import { times } from './text.ts'

const WORKGROUP = 256
const MOST_LANES = 128
const MOST_UNITS = 64

/** Null where the kernel is none, or its arrays don't lie so that vectors can be read and written. */
export const vectorPass = (kernel: Dot, memory: Memory, features: Features): Pass | null => {
  const { batch, m, n, k, digits, lhs, rhs } = kernel
  if (Math.min(m, n) !== 1 || digits.length > 0) return null
  const rank = batch.length
  const [matrix, vector, rows] = m === 1 ? [rhs, lhs, n] : [lhs, rhs, m]
  // Dims of the matrix's index; the results have `row` too and nothing along the other, and the vector's sum is along `row`.
  const [row, along] = m === 1 ? [rank + 1, rank] : [rank, rank + 1]
  const outputs = kernel.outputs.map((output): Output => {
    const { strides, offset } = output.access
    return { ...output, access: { strides: strides.map((stride, d) => (d === along ? 0 : stride)), offset } }
  })
  const written = outputs.every(({ access }) => inVectors(access, row, rows))
  const bare = bareLoad(matrix, memory)
  if (!written || bare === null) return null
  const alongRows = inVectors(bare.access, row, rows)
  if (!alongRows && !inVectors(bare.access, along, k)) return null
  const units = (product(batch) * rows) / 4
  const deal = dealOf(units, k, alongRows, features)
  const meeting = deal.lanes === deal.near ? 0 : deal.size
  const computed = m === 1 ? ownRow(kernel, deal.size, 16 * meeting, memory, features) : null
  if (computed === null && isReduced(kernel)) return null
  const indexOf = (rowName: string, kName: string): string[] => {
    const names = indexNames(batch)
    ;[names[row], names[along]] = [rowName, kName]
    return names
  }
  const vectorAt = (kName: string): string[] => {
    const names = indexNames(batch)
    names[row] = kName
    return names
  }
  const read = (rowName: string): string => bare.read4(affineText(bare.access, indexOf(rowName, 'k')))
  const type = typeOf(kernel.dtype)
  const own = { elements: computed === null ? elementsOf(vector, vectorAt, k, memory, type) : rowElements, read }
  const result = [...indexNames(batch), ...(m === 1 ? ['0', 'first'] : ['first', '0'])]
  const finished = (r: number): string =>
    `let f${r} = finish(${result.map((name) => (name === 'first' ? `first + ${r}` : name)).join(', ')}, sum[${r}]);`
  return {
    declarations: [finish(kernel, memory), computed?.declarations ?? '', meeting === 0 ? '' : `var<workgroup> sums: array<vec4<${type}>, ${meeting}>;`].join('\n'), // prettier-ignore
    workgroupSize: deal.size,
    groups: () => Math.ceil(units / deal.units),
    wide: !outputs.some(isHalfOutput),
    body: [
      ...(computed?.lines ?? []),
      ...(alongRows
        ? [`let unit = group * ${deal.units}u + lane % ${deal.units}u;`, `let slice = lane / ${deal.units}u;`]
        : [`let unit = group * ${deal.units}u + lane / ${deal.lanes}u;`, `let slice = lane % ${deal.lanes}u;`]),
      `let there = unit < ${units}u;`,
      `let limit = select(0, ${k}, there);`,
      `let block = unit / ${rows / 4}u;`,
      ...indexLines('block', batch, indexNames(batch)),
      `let first = 4 * i32(unit % ${rows / 4}u);`,
      `var sum = vec4<${type}>();`,
      ...(alongRows ? termsOfOne(own, deal) : termsOfFour(own, deal)),
      ...foldLines([{ name: 'sum', shared: 'sums', isBool: false, combine: (x, y) => `(${x} + ${y})` }], {
        ...deal,
        step: alongRows ? deal.units : 1,
      }),
      'if (there && slice == 0u) {',
      ...times(4, finished),
      ...outputs.map(({ arg, access }, i) =>
        memory.store4(arg, affineText(access, result), `vec4(${times(4, (r) => `f${r}.o${i}`).join(', ')})`),
      ),
      '}',
    ].join('\n'),
  }
}

interface Deal {
  readonly units: number
  /** Of a unit. */
  readonly lanes: number
  /** Of those, the ones that are in one subgroup. */
  readonly near: number
  readonly size: number
}

/** As many lanes a unit as keep the device busy; along the sum, at least a subgroup that reads on end. */
const dealOf = (units: number, k: number, alongRows: boolean, { maxWorkgroupSize, atOnce, subgroup }: Features): Deal => {
  const most = Math.min(MOST_LANES, powerOfTwo(k / 4), maxWorkgroupSize)
  const wanted = powerOfTwo(atOnce / units)
  const lanes = Math.min(most, alongRows ? wanted : Math.max(wanted, subgroup > 1 ? subgroup : 8))
  const own = Math.min(MOST_UNITS, Math.max(1, Math.min(WORKGROUP, maxWorkgroupSize) / lanes))
  return { units: own, lanes, near: alongRows ? 1 : Math.min(lanes, subgroup), size: own * lanes }
}

/** The vector's elements at k, and the four from there on: what computes them, and their text. */
interface Elements {
  readonly one: { readonly lines: readonly string[]; readonly text: string }
  readonly four: { readonly lines: readonly string[]; readonly text: string }
}
interface Own {
  readonly elements: Elements
  /** Four of the matrix at a row and k. */
  readonly read: (row: string) => string
}

const rowElements: Elements = {
  one: { lines: [], text: 'row[k]' },
  four: { lines: [], text: 'vec4(row[k], row[k + 1], row[k + 2], row[k + 3])' },
}
const elementsOf = (vector: Expr, vectorAt: (k: string) => readonly string[], k: number, memory: Memory, type: string): Elements => {
  const at = evaluation({ index: vectorAt('k'), memory })
  const one = { text: at.value(vector), lines: at.lines }
  const bare = bareLoad(vector, memory)
  if (bare !== null && inVectors(bare.access, vectorAt('k').indexOf('k'), k))
    return { one, four: { lines: [], text: bare.read4(affineText(bare.access, vectorAt('k'))) } }
  const each = times(4, (i) => {
    const at = evaluation({ index: vectorAt(`(k + ${i})`), memory, prefix: `x${i}_` })
    return { value: at.value(vector), lines: at.lines }
  })
  return { one, four: { lines: each.flatMap(({ lines }) => lines), text: `vec4<${type}>(${each.map(({ value }) => value).join(', ')})` } }
}

/** A term of four results at a time. */
const termsOfOne = ({ elements: { one }, read }: Own, { lanes }: Deal): string[] => [
  `for (var k = i32(slice); k < limit; k += ${lanes}) {`,
  ...one.lines,
  `sum += ${one.text} * ${read('first')};`,
  '}',
]

/** Four terms of four results at a time. */
const termsOfFour = ({ elements: { four }, read }: Own, { lanes }: Deal): string[] => [
  `for (var k = 4 * i32(slice); k < limit; k += ${4 * lanes}) {`,
  ...four.lines,
  `let x = ${four.text};`,
  ...times(4, (r) => `sum[${r}] += dot(x, ${read(`(first + ${r})`)});`),
  '}',
]
