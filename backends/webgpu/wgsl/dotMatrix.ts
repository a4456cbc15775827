/**
 * A tile on the device's matrix units: both operands are float16 in workgroup memory, a [row][k] and b [k][column]; each of two by two subgroups
 * has two by two matrices of float32 sums, which go through workgroup memory to the epilogue.
 */
import type { Dot } from '../../../src/core/kernel.ts'
import { elementFunction, neighbours, type Operand } from './dotOperand.ts'
import { type MatrixUnit, type Tile, tileColumns, tileLanes, tileRows } from './dotPlan.ts'
import { indexNames } from './indices.ts'
import type { Memory } from './shader.ts'
import { times } from './text.ts'

/** A tile's sums, from operands in workgroup memory to what is stored. */
export interface Sums {
  readonly declarations: readonly string[]
  readonly lines: readonly string[]
}

const EACH = 2

const declarations = (kernel: Dot, tile: Tile, a: Operand, b: Operand, memory: Memory): readonly string[] => {
  const [height, width] = [tileRows(tile), tileColumns(tile)]
  return [
    `var<workgroup> a: array<f16, ${height * tile.depth}>;`,
    `var<workgroup> b: array<f16, ${width * tile.depth}>;`,
    `var<workgroup> c: array<f32, ${height * width}>;`,
    elementFunction(a, kernel, memory),
    elementFunction(b, kernel, memory),
  ]
}

/** Neighbouring lanes take neighbours in device memory. */
const stage = (kernel: Dot, tile: Tile, operand: Operand, first: string, place: string): string => {
  const { name, rowDim, kDim, height } = operand
  const { depth } = tile
  const alongK = neighbours(operand, kernel, kDim) >= neighbours(operand, kernel, rowDim)
  const [row, k] = alongK ? [`s / ${depth}u`, `s % ${depth}u`] : [`s % ${height}u`, `s / ${height}u`]
  const element = `${name}_at(${[...indexNames(kernel.batch), `${first} + i32(row)`, 'k0 + i32(k)'].join(', ')})`
  return `for (var s = lane; s < ${height * depth}u; s += ${tileLanes(tile)}u) { let row = ${row}; let k = ${k}; ${name}[${place}] = f16(${element}); }`
}

const eachMatrix = (f: (i: number, j: number) => string): string[] => times(EACH, (i) => times(EACH, (j) => f(i, j))).flat()

/** The loop over `steps` of k, and then `store` for each four sums side by side, `row`, `column` and `sum` being theirs. */
export const matrixSums = (
  kernel: Dot,
  tile: Tile,
  { m, n, k }: MatrixUnit,
  a: Operand,
  b: Operand,
  steps: string,
  store: readonly string[],
  memory: Memory,
): Sums => {
  const [height, width, depth] = [tileRows(tile), tileColumns(tile), tile.depth]
  const down = (i: number): string => `(down + ${i * m}u)`
  const across = (j: number): string => `across + ${j * n}u`
  const lines = [
    `let across = subgroupId % ${tile.across}u * ${EACH * n}u;`,
    `let down = subgroupId / ${tile.across}u * ${EACH * m}u;`,
    ...eachMatrix((i, j) => `var sum${i}_${j} = subgroup_matrix_result<f32, ${n}, ${m}>();`),
    steps,
    stage(kernel, tile, a, 'row0', `row * ${depth}u + k`),
    stage(kernel, tile, b, 'column0', `k * ${width}u + row`),
    'workgroupBarrier();',
    `for (var kk = 0u; kk < ${depth}u; kk += ${k}u) {`,
    ...times(EACH, (i) => `let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${k}, ${m}>>(&a, ${down(i)} * ${depth}u + kk, false, ${depth}u);`), // prettier-ignore
    ...times(EACH, (j) => `let b${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${n}, ${k}>>(&b, kk * ${width}u + ${across(j)}, false, ${width}u);`), // prettier-ignore
    ...eachMatrix((i, j) => `sum${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, sum${i}_${j});`),
    '}',
    'workgroupBarrier();',
    '}',
    ...eachMatrix((i, j) => `subgroupMatrixStore(&c, ${down(i)} * ${width}u + ${across(j)}, sum${i}_${j}, false, ${width}u);`),
    'workgroupBarrier();',
    `for (var s = lane; s < ${(height * width) / 4}u; s += ${tileLanes(tile)}u) {`,
    `let row = row0 + i32(s / ${width / 4}u);`,
    `let column = column0 + 4 * i32(s % ${width / 4}u);`,
    'let sum = vec4(c[4u * s], c[4u * s + 1u], c[4u * s + 2u], c[4u * s + 3u]);',
    ...store,
    '}',
  ]
  return { declarations: declarations(kernel, tile, a, b, memory), lines }
}
