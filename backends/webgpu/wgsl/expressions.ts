/** Kernel expressions as straight-line WGSL: a node is computed once, where it is first wanted. */
import type { Access, Affine, Expr, Guard } from '../../../src/core/kernel.ts'
import { constantOf, scalarOp } from './scalar.ts'
import { type Memory, typeOf } from './shader.ts'

export type Reduce = Extract<Expr, { readonly kind: 'reduce' }>

/** An i32 expression. `index` names the variables of the kernel's index; a dim that nothing names is 0. */
export const affineText = ({ strides, offset }: Affine, index: readonly string[]): string => {
  const terms = strides.flatMap((stride, d) => {
    const name = index[d]
    return stride === 0 || name === undefined ? [] : [stride === 1 ? name : `${name} * ${stride}`]
  })
  if (offset !== 0 || terms.length === 0) terms.push(`${offset}`)
  return terms.join(' + ')
}
/** A condition: 0 <= affine < extent, in one comparison. */
export const guardText = (guard: Guard, index: readonly string[]): string =>
  guard.strides.every((stride, d) => stride === 0 || index[d] === undefined)
    ? `${guard.offset >= 0 && guard.offset < guard.extent}`
    : `u32(${affineText(guard, index)}) < ${guard.extent}u`

/** What names stand for while expressions are evaluated at one place of the iteration. */
export interface Scope {
  readonly index: readonly string[]
  readonly memory: Memory
  /** The name of a contraction's finished sum. */
  readonly acc?: string
  /** Names of the row's reductions that are known. */
  readonly reduced?: ReadonlyMap<Expr, string>
  /** What names of this scope start with, where another scope is around it. */
  readonly prefix?: string
}

export interface Evaluation {
  /** Its value's name or constant; what computes it is added to the lines. */
  readonly value: (expr: Expr) => string
  readonly lines: string[]
}

export const evaluation = ({ index, memory, acc, reduced, prefix = 'v' }: Scope): Evaluation => {
  const lines: string[] = []
  const names = new Map<Expr, string>()
  const named = (text: string, kind = 'let'): string => {
    const name = `${prefix}${names.size}_${lines.length}`
    lines.push(`${kind} ${name} = ${text};`)
    return name
  }
  const load = (arg: number, { guards, ...place }: Access, zero: string): string => {
    const text = memory.load(arg, affineText(place, index))
    if (guards.length === 0) return named(text)
    const name = named(zero, 'var')
    lines.push(`if (${guards.map((guard) => guardText(guard, index)).join(' && ')}) { ${name} = ${text}; }`)
    return name
  }
  const compute = (expr: Expr): string => {
    switch (expr.kind) {
      case 'load':
        return load(expr.arg, expr.access, `${typeOf(expr.dtype)}()`)
      case 'gather':
        return named(memory.load(expr.arg, names.get(expr.index)!))
      case 'const':
        return constantOf(expr.dtype, expr.value)
      case 'index':
        return named(affineText(expr.affine, index))
      case 'apply': {
        const from = expr.args.map((arg) => arg.dtype)
        // Of constants alone an expression would be computed by the compiler, which refuses what overflows.
        const constant = expr.args.every(({ kind }) => kind === 'const')
        const args = expr.args.map((arg) => (constant ? named(names.get(arg)!) : names.get(arg)!))
        return named(scalarOp(expr.op, expr.dtype, from, args))
      }
      case 'acc':
        return acc!
      case 'reduce':
        return reduced!.get(expr)!
    }
  }
  const value = (expr: Expr): string => {
    for (const node of postorder([expr])) if (!names.has(node)) names.set(node, compute(node))
    return names.get(expr)!
  }
  return { value, lines }
}

const operands = (expr: Expr): readonly Expr[] => (expr.kind === 'apply' ? expr.args : expr.kind === 'gather' ? [expr.index] : [])

/** Operands before what they are operands of; what stands under a reduction is left out. No recursion: expressions are deep. */
export const postorder = (roots: readonly Expr[]): readonly Expr[] => {
  const order = new Set<Expr>()
  const stack = roots.map((expr) => ({ expr, ready: false }))
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (order.has(top.expr)) continue
    if (top.ready) order.add(top.expr)
    else stack.push({ expr: top.expr, ready: true }, ...operands(top.expr).map((expr) => ({ expr, ready: false })))
  }
  return [...order]
}

/** The reductions under `roots` by level: those of a level need only the levels before, so one loop over the row finds them all. */
export const reductionLevels = (roots: readonly Expr[]): readonly (readonly Reduce[])[] => {
  const levels = new Map<Reduce, number>()
  const levelOf = (expr: Reduce): number => {
    const known = levels.get(expr)
    if (known !== undefined) return known
    const inner = postorder([expr.arg]).filter((e) => e.kind === 'reduce')
    const level = Math.max(-1, ...inner.map(levelOf)) + 1
    levels.set(expr, level)
    return level
  }
  for (const expr of postorder(roots)) if (expr.kind === 'reduce') levelOf(expr)
  const out: Reduce[][] = []
  for (const [expr, level] of levels) (out[level] ??= []).push(expr)
  return out
}
