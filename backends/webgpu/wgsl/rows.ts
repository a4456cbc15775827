/**
 * Reductions over rows and what is computed from them. A workgroup takes a block of rows with so many lanes a row that neighbours read
 * neighbours: for each level of reductions a loop over the row and a tree, its upper part in workgroup memory, its lower within subgroups
 * where there are such; then the outputs. Few long rows are cut into chunks, whose partial results a second pass reduces. The order of a sum
 * depends on shapes and the device alone.
 */
import type { DType } from '../../../src/core/dtype.ts'
import type { Affine, Expr, Nest, ReduceOp } from '../../../src/core/kernel.ts'
import { affineText, evaluation, postorder, type Reduce, reductionLevels } from './expressions.ts'
import { inOrder, isHalfOutput, pairLines } from './halves.ts'
import { indexLines, indexNames, powerOfTwo, product, storeLines } from './indices.ts'
import { type Folded, foldLines } from './lanes.ts'
import { combined, constantOf } from './scalar.ts'
import { type Features, type Memory, type Pass, type Shader, typeOf } from './shader.ts'
import { times } from './text.ts'

export const rowShader = (kernel: Nest, memory: Memory, features: Features): Shader => {
  if (!isCut(kernel)) return { passes: [rowPass(kernel, memory, features)], scratch: [] }
  const outer = kernel.dims.slice(0, kernel.dims.length - kernel.inner)
  const [reductions] = reductionLevels(kernel.outputs.map(({ expr }) => expr)) as [readonly Reduce[]]
  const partials = new Map(reductions.map((expr, i): [Expr, number] => [expr, kernel.args.length + i]))
  const dtypes = [...kernel.args, ...reductions.map(({ dtype }) => dtype)]
  const second: Nest = { ...kernel, dims: [...outer, MOST_CHUNKS], inner: 1, args: dtypes, outputs: ofPartials(kernel, partials, outer) }
  const length = product(kernel.dims.slice(outer.length))
  const chunk = chunkOf(length)
  return {
    passes: [
      partialPass(kernel, partials, chunk, memory, features),
      { ...rowPass(second, memory, features), span: Math.ceil(length / chunk) },
    ],
    scratch: reductions.map(({ dtype }) => ({ dtype, size: product(outer.slice(1)) * MOST_CHUNKS })),
  }
}

const WORKGROUP = 256
/** Rows longer than this, and too few to fill a device, are worth a second pass: they are cut into chunks of at least so many elements. */
const LONG = 2 ** 14
const CHUNK = 2048
const MOST_CHUNKS = 256
const FEW_ROWS = 64
/** Elements of a chunk: the same for rows of many lengths, so that they share their code. */
const chunkOf = (length: number): number => Math.max(CHUNK, Math.ceil(length / MOST_CHUNKS))

/** Whether rows are cut into chunks: only where each reduction is of elements, and all outputs are of rows. */
const isCut = ({ dims, inner, outputs }: Nest): boolean => {
  const [rows, length] = [product(dims.slice(0, dims.length - inner)), product(dims.slice(dims.length - inner))]
  const simple = outputs.every(({ rowwise }) => rowwise) && reductionLevels(outputs.map(({ expr }) => expr)).length === 1
  return simple && rows < FEW_ROWS && length > LONG
}

/** How a workgroup's lanes are dealt: `rows` rows with `lanes` lanes each, neighbours along the row or along rows. */
export interface Deal {
  readonly rows: number
  readonly lanes: number
  readonly along: 'row' | 'rows'
}

const dealOf = ({ dims, inner, outputs }: Nest, size: number, { subgroup, atOnce }: Features): Deal => {
  const cut = dims.length - inner
  const length = product(dims.slice(cut))
  const last = (from: number, to: number): number => dims.findLastIndex((n, d) => d >= from && d < to && n > 1)
  const [onRow, acrossRows] = [last(cut, dims.length), last(0, cut)]
  let votes = 0
  for (const expr of loadsOf(outputs.map(({ expr }) => expr))) {
    const [down, across] = [onRow, acrossRows].map((d) => Math.abs(expr.access.strides[d] ?? 0)) as [number, number]
    if (down === 0 || across === 0) continue // the same for all rows, or for a whole row: few bytes
    if (down === 1) votes++
    else if (across === 1) votes--
  }
  // Some four elements a lane.
  const wanted = powerOfTwo(length / 4)
  if (votes >= 0) {
    // Where rows are many, a subgroup has each to itself, and nobody waits for anybody.
    const many = subgroup > 1 && product(dims.slice(0, cut)) * subgroup >= atOnce
    const lanes = Math.min(size, wanted, many ? subgroup : Infinity)
    return { rows: size / lanes, lanes, along: 'row' }
  }
  const lanes = Math.min(size / 32, wanted)
  return { rows: size / lanes, lanes, along: 'rows' }
}

/** The loads in expressions, under reductions too. */
const loadsOf = (roots: readonly Expr[]): Extract<Expr, { readonly kind: 'load' }>[] => {
  const found = new Set<Expr>()
  const queue = [...roots]
  for (let root = queue.pop(); root !== undefined; root = queue.pop())
    for (const expr of postorder([root])) {
      if (found.has(expr)) continue
      found.add(expr)
      if (expr.kind === 'reduce') queue.push(expr.arg)
    }
  return [...found].filter((e) => e.kind === 'load')
}

const identities = (op: ReduceOp, dtype: DType): number => {
  if (op === 'sum') return 0
  if (op === 'prod') return 1
  if (dtype === 'float32') return op === 'max' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (dtype === 'int32') return op === 'max' ? -(2 ** 31) : 2 ** 31 - 1
  return op === 'max' ? 0 : dtype === 'bool' ? 1 : 2 ** 32 - 1
}
const identity = ({ op, dtype }: Reduce): string => constantOf(dtype, identities(op, dtype))

/** A loop over a row's elements, of which a lane takes every `lanes`-th. */
export const loop = (
  dims: readonly number[],
  from: string,
  to: string,
  step: number,
  lines: readonly string[],
  index: readonly string[],
): string[] => [`for (var e = ${from}; e < ${to}; e += ${step}u) {`, ...indexLines('e', dims, index), ...lines, '}']

/**
 * Lanes of a row that are in one subgroup: neighbours, since implementations number a one-dimensional workgroup's invocations through its
 * subgroups (WGSL doesn't promise it). 1 where lanes meet in workgroup memory only.
 */
const together = ({ lanes, along }: Deal, { subgroup }: Features): number => (along === 'row' ? Math.min(lanes, subgroup) : 1)

/** Folds the reductions over e in [from, to) and then over the lanes: the results are named r0, r1… from `first` on. */
const reduceLines = (
  reductions: readonly Reduce[],
  first: number,
  deal: Deal,
  loopOf: (lines: readonly string[]) => string[],
  scope: Parameters<typeof evaluation>[0],
  features: Features,
): string[] => {
  const at = evaluation({ ...scope, prefix: `p${first}_` })
  const name = (i: number): string => `${first + i}`
  const folds = reductions.map(
    (reduction, i) => `a${name(i)} = ${combined(reduction.op, reduction.dtype, `a${name(i)}`, at.value(reduction.arg))};`,
  )
  const start = reductions.map((reduction, i) => `var a${name(i)} = ${identity(reduction)};`)
  const own = [...start, ...loopOf([...at.lines, ...folds])]
  const folded = reductions.map(({ op, dtype }, i): Folded => {
    const combine = (x: string, y: string): string => combined(op, dtype, x, y)
    return { name: `a${name(i)}`, shared: `t${name(i)}`, isBool: dtype === 'bool', combine }
  })
  const step = deal.along === 'row' ? 1 : deal.rows
  return [
    ...own,
    ...foldLines(folded, { lanes: deal.lanes, step, near: together(deal, features) }),
    ...reductions.map((_, i) => `let r${name(i)} = a${name(i)};`),
  ]
}

/** All reductions, level after level; `reduced` learns their names. */
export const levelLines = (
  levels: readonly (readonly Reduce[])[],
  deal: Deal,
  loopOf: (lines: readonly string[]) => string[],
  scope: Parameters<typeof evaluation>[0] & { readonly reduced: Map<Expr, string> },
  features: Features,
): string[] => {
  let first = 0
  return levels.flatMap((reductions) => {
    const lines = reduceLines(reductions, first, deal, loopOf, scope, features)
    reductions.forEach((reduction, i) => scope.reduced.set(reduction, `r${first + i}`))
    first += reductions.length
    return lines
  })
}

export const trees = (levels: readonly (readonly Reduce[])[], deal: Deal, size: number, features: Features): string =>
  deal.lanes === together(deal, features)
    ? ''
    : levels
        .flat()
        .map(({ dtype }, i) => `var<workgroup> t${i}: array<${typeOf(dtype)}, ${size}>;`)
        .join('\n')

const rowPass = (kernel: Nest, memory: Memory, features: Features, wide = false): Pass => {
  const { dims, inner, outputs } = kernel
  const cut = dims.length - inner
  const [outer, row] = [dims.slice(0, cut), dims.slice(cut)]
  const index = indexNames(dims)
  const levels = reductionLevels(outputs.map(({ expr }) => expr))
  // A word of workgroup memory for each reduction and lane.
  const fitting = 2 ** Math.floor(Math.log2(features.maxWorkgroupBytes / (4 * Math.max(1, levels.flat().length))))
  const size = Math.min(WORKGROUP, features.maxWorkgroupSize, fitting)
  const deal = dealOf(kernel, size, features)
  const each = product(outer.slice(1))
  const reduced = new Map<Expr, string>()
  const scope = { index, memory, reduced }
  const over = (lines: readonly string[]): string[] => loop(row, 'slice', 'limit', deal.lanes, lines, index.slice(cut))
  const body = [
    ...(deal.along === 'row'
      ? [`let row = group * ${deal.rows}u + lane / ${deal.lanes}u;`, `let slice = lane % ${deal.lanes}u;`]
      : [`let row = group * ${deal.rows}u + lane % ${deal.rows}u;`, `let slice = lane / ${deal.rows}u;`]),
    `let there = row < extent * ${each}u;`,
    'let limit = select(0u, span, there);',
    ...indexLines('row', outer, index),
    ...levelLines(levels, deal, over, scope, features),
  ]
  const ofRows = outputs.filter(({ rowwise }) => rowwise)
  const ofElements = outputs.filter(({ rowwise }) => !rowwise)
  const own = evaluation({ ...scope, index: index.slice(0, cut), prefix: 'w' })
  const values = ofRows.map(({ expr }) => own.value(expr))
  body.push(...ofRows.map(({ expr }, i) => `var o${i}: ${typeOf(expr.dtype)};`))
  if (ofRows.length > 0) body.push('if (there && slice == 0u) {', ...own.lines, ...values.map((value, i) => `o${i} = ${value};`), '}')
  if (ofElements.length > 0) {
    const at = evaluation(scope)
    if (ofRows.length > 0 && deal.lanes > 1) body.push('workgroupBarrier();') // a row's value may be read before it is overwritten
    if (ofElements.some(isHalfOutput)) {
      const numbers = { first: 'p', place: 'i32(row * span + p)', there: 'e < limit' }
      body.push(
        `for (var p = 2u * slice; p < limit; p += ${2 * deal.lanes}u) {`,
        ...pairLines(numbers, indexLines('e', row, index.slice(cut)), ofElements, at, index, memory),
        '}',
      )
    } else if (wide) {
      const each = times(4, (k) => {
        const own = evaluation({ ...scope, prefix: `v${k}_` })
        const values = ofElements.map(({ expr }, i) => `f${i}[${k}] = ${own.value(expr)};`)
        return ['{', ...indexLines(`(e + ${k}u)`, row, index.slice(cut)), ...own.lines, ...values, '}'].join('\n')
      })
      body.push(
        `for (var e = 4u * slice; e < limit; e += ${4 * deal.lanes}u) {`,
        ...ofElements.map(({ expr }, i) => `var f${i}: vec4<${typeOf(expr.dtype)}>;`),
        ...each,
        ...indexLines('e', row, index.slice(cut)),
        ...ofElements.map(({ arg, access }, i) => memory.store4(arg, affineText(access, index), `f${i}`)),
        '}',
      )
    } else {
      const stores = storeLines(ofElements, at, index, memory)
      body.push(...over([...at.lines, ...stores]))
    }
    if (ofRows.length > 0 && deal.lanes > 1) body.push('workgroupBarrier();')
  }
  if (ofRows.length > 0)
    body.push(
      'if (there && slice == 0u) {',
      ...ofRows.map(({ arg, access }, i) => memory.store(arg, affineText(access, index.slice(0, cut)), `o${i}`)),
      '}',
    )
  const fours = ofRows.length === 0 && row.at(-1)! % 4 === 0 && ofElements.every((output) => inOrder(output, dims) && !isHalfOutput(output))
  return {
    ...(wide ? { wide } : fours ? { widened: () => rowPass(kernel, memory, features, true) } : {}),
    declarations: trees(levels, deal, size, features),
    workgroupSize: size,
    groups: (extent) => Math.ceil((extent * each) / deal.rows),
    span: product(row),
    body: body.join('\n'),
  }
}

/** A chunk of a row a workgroup: partial results to scratch, [row, MOST_CHUNKS]. */
const partialPass = (
  { dims, inner }: Nest,
  partials: ReadonlyMap<Expr, number>,
  chunk: number,
  memory: Memory,
  features: Features,
): Pass => {
  const cut = dims.length - inner
  const [outer, row] = [dims.slice(0, cut), dims.slice(cut)]
  const index = indexNames(dims)
  const length = product(row)
  const deal: Deal = { rows: 1, lanes: WORKGROUP, along: 'row' }
  const reductions = [...partials.keys()] as Reduce[]
  const over = (lines: readonly string[]): string[] => loop(row, 'begin + slice', 'limit', WORKGROUP, lines, index.slice(cut))
  const each = product(outer.slice(1))
  return {
    declarations: trees([reductions], deal, WORKGROUP, features),
    workgroupSize: WORKGROUP,
    groups: (extent) => extent * each * Math.ceil(length / chunk),
    span: length,
    body: [
      `let chunks = (span + ${chunk - 1}u) / ${chunk}u;`,
      'let row = group / chunks;',
      `let begin = (group % chunks) * ${chunk}u;`,
      'let slice = lane;',
      `let limit = min(span, begin + ${chunk}u);`,
      ...indexLines('row', outer, index),
      ...reduceLines(reductions, 0, deal, over, { index, memory }, features),
      'if (lane == 0u) {',
      ...[...partials.values()].map((arg, i) => memory.store(arg, `i32(row * ${MOST_CHUNKS}u + group % chunks)`, `r${i}`)),
      '}',
    ].join('\n'),
  }
}

/** The outputs with each reduction one of its partial results. */
const ofPartials = (kernel: Nest, partials: ReadonlyMap<Expr, number>, outer: readonly number[]): Nest['outputs'] => {
  const rank = outer.length
  const strides = [...outer.map((_, d) => MOST_CHUNKS * product(outer.slice(d + 1))), 1]
  // What isn't under a reduction doesn't move along the row.
  const ofRow = ({ strides: along, offset }: Affine): Affine => ({ strides: [...along.slice(0, rank), 0], offset })
  const made = new Map<Expr, Expr>()
  for (const expr of postorder(kernel.outputs.map((output) => output.expr))) {
    const arg = partials.get(expr)
    if (arg !== undefined && expr.kind === 'reduce')
      made.set(expr, { ...expr, arg: { kind: 'load', dtype: expr.dtype, arg, access: { strides, offset: 0, guards: [] } } })
    else if (expr.kind === 'apply') made.set(expr, { ...expr, args: expr.args.map((x) => made.get(x)!) })
    else if (expr.kind === 'gather') made.set(expr, { ...expr, index: made.get(expr.index)! })
    else if (expr.kind === 'load') {
      const { access } = expr
      made.set(expr, {
        ...expr,
        access: { ...ofRow(access), guards: access.guards.map((guard) => ({ ...ofRow(guard), extent: guard.extent })) },
      })
    } else if (expr.kind === 'index') made.set(expr, { ...expr, affine: ofRow(expr.affine) })
    else made.set(expr, expr)
  }
  return kernel.outputs.map((output) => ({ ...output, expr: made.get(output.expr)!, access: ofRow(output.access) }))
}
