/** Walks over kernels' expressions, which share nodes: each node is met once. */
import type { Affine, Expr } from './kernel.ts'

/** All that expressions are made of, themselves included. */
export const partsOf = (exprs: readonly Expr[]): Expr[] => {
  const seen = new Set(exprs)
  for (const e of seen) {
    if (e.kind === 'apply') for (const arg of e.args) seen.add(arg)
    if (e.kind === 'gather') seen.add(e.index)
    if (e.kind === 'reduce') seen.add(e.arg)
  }
  return [...seen]
}

/** How many of an expression's loads are contiguous along a dim. */
export const contiguity = (expr: Expr, dim: number): number =>
  partsOf([expr]).filter((e) => e.kind === 'load' && e.access.strides[dim] === 1).length

/** The affine functions in expressions. */
export const affinesIn = (exprs: readonly Expr[]): Affine[] =>
  partsOf(exprs).flatMap((e) => (e.kind === 'load' ? [e.access, ...e.access.guards] : e.kind === 'index' ? [e.affine] : []))

/** Rewrites every affine function in expressions, and a contraction's sum to `acc`; shared nodes stay shared. */
export const mapAffines = (map: (affine: Affine) => Affine, acc?: Expr): ((e: Expr) => Expr) => {
  const done = new Map<Expr, Expr>()
  const rewrite = (e: Expr): Expr => {
    const known = done.get(e) ?? inside(e)
    done.set(e, known)
    return known
  }
  const inside = (e: Expr): Expr => {
    switch (e.kind) {
      case 'load': {
        const guards = e.access.guards.map((guard) => ({ ...guard, ...map(guard) }))
        return { ...e, access: { ...map(e.access), guards } }
      }
      case 'index':
        return { ...e, affine: map(e.affine) }
      case 'gather':
        return { ...e, index: rewrite(e.index) }
      case 'apply':
        return { ...e, args: e.args.map(rewrite) }
      case 'reduce':
        return { ...e, arg: rewrite(e.arg) }
      case 'acc':
        return acc ?? e
      case 'const':
        return e
    }
  }
  return rewrite
}
