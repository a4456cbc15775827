/** An operand on its way to workgroup memory: vectors of four rows, [k][row / 4], from wherever it lies or whatever it is computed of. */
import { affinesIn, contiguity } from '../../../src/core/expressions.ts'
import { isHalf } from '../../../src/core/dtype.ts'
import type { Access, Affine, Dot, Expr } from '../../../src/core/kernel.ts'
import { placeOf, type Tile, tileLanes } from './dotPlan.ts'
import { affineText, evaluation } from './expressions.ts'
import { indexNames } from './indices.ts'
import { type Memory, typeOf } from './shader.ts'
import { components, times } from './text.ts'

/** An operand, `rows` by k; a tile holds `height` of its rows. */
export interface Operand {
  readonly name: string
  readonly expr: Expr
  /** Which dims of its index they are. */
  readonly rowDim: number
  readonly kDim: number
  readonly rows: number
  readonly height: number
}

/** Whether four neighbours along dim `d` of an index, of `extent` elements, may be read or written as one vector. */
export const inVectors = ({ strides, offset }: Affine, d: number, extent: number): boolean =>
  strides[d] === 1 && extent % 4 === 0 && offset % 4 === 0 && strides.every((stride, i) => i === d || stride % 4 === 0)

/** How four neighbours of an operand are read that is only loaded, or loaded and widened; null for any other. */
export const bareLoad = (expr: Expr, memory: Memory): { readonly access: Access; readonly read4: (at: string) => string } | null => {
  const load = expr.kind === 'apply' && expr.op === 'cast' ? expr.args[0]! : expr
  if (load.kind !== 'load' || load.access.guards.length > 0 || (load !== expr && !isHalf(load.dtype))) return null
  const { access, arg, dtype } = load
  return { access, read4: (at) => (load === expr ? memory.load4(arg, at) : `c_widen4_${dtype}(${memory.load4(arg, at)})`) }
}

export interface Staged {
  readonly declarations: string
  /** Fills workgroup memory with the tile's rows from `first` on, and k from k0 on. */
  readonly lines: readonly string[]
}

const indexAt = ({ rowDim, kDim }: Operand, { batch }: Dot, row: string, k: string): string[] => {
  const names = indexNames(batch)
  ;[names[rowDim], names[kDim]] = [row, k]
  return names
}

/** Names the digits of an operand's index at a row and k, after those two. */
const digitLines = ({ rowDim, kDim }: Operand, { batch, digits }: Dot, row: string, k: string): string[] => {
  const along = { m: rowDim < kDim ? row : '0', n: rowDim < kDim ? '0' : row, k }
  return digits.map(({ of, by, extent }, i) => `let i${batch.length + 2 + i} = ${along[of]} / ${by} % ${extent};`)
}
/** Whether it is affine in its row and k themselves. */
const isWhole = ({ expr }: Operand, { batch }: Dot): boolean =>
  affinesIn([expr]).every(({ strides }) => strides.slice(batch.length + 2).every((stride) => stride === 0))
/** How many of its loads are contiguous along a dim, or the last of its digits. */
export const neighbours = ({ expr, rowDim, kDim }: Operand, { batch, digits }: Dot, dim: number): number => {
  const of = dim === kDim ? 'k' : rowDim < kDim ? 'm' : 'n'
  const digit = digits.findLastIndex((own) => own.of === of)
  return contiguity(expr, dim) + (digit < 0 ? 0 : contiguity(expr, batch.length + 2 + digit))
}

/** `a_at(…batch, row, k)`: an operand's element, zero outside. */
export const elementFunction = (operand: Operand, kernel: Dot, memory: Memory): string => {
  const { name, expr, rows } = operand
  const type = typeOf(kernel.dtype)
  const digits = indexNames(kernel.digits, kernel.batch.length + 2)
  const at = evaluation({ index: [...indexAt(operand, kernel, 'row', 'k'), ...digits], memory })
  const value = at.value(expr)
  return [
    `fn ${name}_at(${[...indexNames(kernel.batch), 'row', 'k'].map((parameter) => `${parameter}: i32`).join(', ')}) -> ${type} {`,
    `var element = ${type}();`, // one way out, which compilers find easier to inline
    `if (row < ${rows} && k < ${kernel.k}) {`,
    ...digitLines(operand, kernel, 'row', 'k'),
    ...at.lines,
    `element = ${value};`,
    '}',
    'return element;',
    '}',
  ].join('\n')
}

/** `vectors`: memory may be read so. */
export const staged = (operand: Operand, first: string, kernel: Dot, tile: Tile, memory: Memory, vectors: boolean): Staged => {
  const { name, expr, rowDim, kDim, rows, height } = operand
  const { k, batch, dtype } = kernel
  const type = typeOf(dtype)
  const stored = tile.half ? 'f16' : type
  const bare = vectors && isWhole(operand, kernel) ? bareLoad(expr, memory) : null
  const access = bare?.access ?? null
  const alongK = access !== null && inVectors(access, kDim, k)
  const alongRows = access !== null && !alongK && inVectors(access, rowDim, rows)
  const inside = (row: string, at: string): string => `${row} < ${rows} && ${at} < ${k}`
  const index = (row: string, at: string): string[] => indexAt(operand, kernel, row, at)
  const vector = (into: string, row: string): string =>
    `if (${inside(row, 'k')}) { ${into} = ${bare!.read4(affineText(access!, index(row, 'k')))}; }`
  const element = (row: string, at: string): string => `${name}_at(${[...indexNames(batch), row, at].join(', ')})`

  // A lane takes four rows by four k where neighbours are along k, and else four rows by one.
  const square = alongK || (!alongRows && neighbours(operand, kernel, kDim) >= neighbours(operand, kernel, rowDim))
  const [blocks, along] = square ? [(height * tile.depth) / 16, tile.depth / 4] : [(height * tile.depth) / 4, height / 4]
  const lines = square
    ? [
        `let q = i32(s / ${along}u);`,
        `let p = 4 * i32(s % ${along}u);`,
        `let row = ${first} + 4 * q;`,
        'let k = k0 + p;',
        ...times(4, (r) => `var t${r} = vec4<${type}>();`),
        ...times(4, (r) =>
          alongK ? vector(`t${r}`, `(row + ${r})`) : `t${r} = vec4(${times(4, (j) => element(`row + ${r}`, `k + ${j}`)).join(', ')});`,
        ),
        ...times(
          4,
          (j) =>
            `${name}[${placeOf(height, 'q', `p + ${j}`)}] = vec4<${stored}>(vec4(${times(4, (r) => `t${r}.${components[j]}`).join(', ')}));`,
        ),
      ]
    : [
        `let q = i32(s % ${along}u);`,
        `let p = i32(s / ${along}u);`,
        `let row = ${first} + 4 * q;`,
        'let k = k0 + p;',
        `var t = vec4<${type}>();`,
        alongRows ? vector('t', 'row') : `t = vec4(${times(4, (r) => element(`row + ${r}`, 'k')).join(', ')});`,
        `${name}[${placeOf(height, 'q', 'p')}] = vec4<${stored}>(t);`,
      ]
  const shared = `var<workgroup> ${name}: array<vec4<${stored}>, ${(tile.depth * height) / 4}>;`
  return {
    declarations: [shared, ...(alongK || alongRows ? [] : [elementFunction(operand, kernel, memory)])].join('\n'),
    lines: [`for (var s = lane; s < ${blocks}u; s += ${tileLanes(tile)}u) {`, ...lines, '}'],
  }
}
