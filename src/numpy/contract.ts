/** Products of arrays: all are dotGeneral, with transposes that cost nothing. Operands promote. */
import type { NdArray } from '../core/array.ts'
import { sizeOf } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import type { Operand } from '../core/methods.ts'
import { axesOf, refuse, wholeOf } from './check.ts'
import { mul } from './elementwise.ts'
import { diagonalOf } from './layout.ts'
import { broadcastLists, numeric, promoted, toShape } from './promote.ts'
import { atLeast, dtype as dtypeKind, either, type OptionKind, optionsOf, pair, type Schema, wholes } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'

const bothOf = (what: string, x: Operand, y: Operand): readonly [NdArray, NdArray] =>
  promoted(what, [x, y]).map(numeric) as [NdArray, NdArray]
/** dotGeneral once the contracted extents are known to match. */
const contract = (
  what: string,
  a: NdArray,
  b: NdArray,
  axes: readonly [number[], number[]],
  batch: readonly number[] = [],
  preferred: DType | null = null,
): NdArray => {
  const off = axes[0].find((d, i) => a.shape[d] !== b.shape[axes[1][i]!])
  if (off !== undefined) {
    const other = axes[1][axes[0].indexOf(off)]!
    refuse(ShapeError, what, [a, b], `axis ${off} has ${a.shape[off]} elements against ${b.shape[other]} of axis ${other}`)
  }
  return c.dotGeneral(a, b, axes, [batch, batch], preferred)
}

export interface MatmulOptions {
  /** The dtype of the sums and of the result; default the operands'. */
  readonly preferredElementType?: DType
}
const matmulOptions: Schema<MatmulOptions> = { preferredElementType: dtypeKind }
/**
 * The matrix product of the last two axes, the others broadcast; a vector is a row on the left and a column on the right. As `jnp.matmul`.
 *
 * @throws ShapeError when the extents differ, or an operand is a scalar
 * @example np.matmul(np.array([[1, 2], [3, 4]]), np.array([1, 1])) // [3, 7]
 */
export const matmul = /* @__PURE__ */ takesOptions(
  'matmul',
  3,
  matmulOptions,
  (x: Operand, y: Operand, options: MatmulOptions = {}): NdArray => {
    const [a, b] = bothOf('matmul', x, y)
    if (a.ndim === 0 || b.ndim === 0) refuse(ShapeError, 'matmul', [a, b], 'scalars have no matrix product: use mul')
    const { preferredElementType: preferred = null } = options
    if (b.ndim <= 2) return contract('matmul', a, b, [[a.ndim - 1], [Math.max(0, b.ndim - 2)]], [], preferred)
    if (a.ndim === 1) return contract('matmul', a, b, [[0], [b.ndim - 2]], [], preferred)
    const lead = broadcastLists('matmul', [a.shape.slice(0, -2), b.shape.slice(0, -2)], [a, b])
    const wide = (z: NdArray): NdArray => toShape(z, [...lead, ...z.shape.slice(-2)])
    const n = lead.length
    return contract('matmul', wide(a), wide(b), [[n + 1], [n]], c.range(n), preferred)
  },
)
/**
 * The sum over the last axis of x and the last but one of y; a scalar multiplies. As `jnp.dot`.
 *
 * @throws ShapeError when the extents differ
 * @example np.dot(np.array([1, 2]), np.array([3, 4])) // 11
 */
export const dot = /* @__PURE__ */ takes('dot', 2, (x: Operand, y: Operand): NdArray => {
  const [a, b] = bothOf('dot', x, y)
  return a.ndim === 0 || b.ndim === 0 ? mul(a, b) : contract('dot', a, b, [[a.ndim - 1], [Math.max(0, b.ndim - 2)]])
})
/**
 * Σ x y over all elements, both flat: []. As `jnp.vdot`.
 *
 * @throws ShapeError when they have several sizes
 * @example np.vdot(np.eye(2), np.array([[1, 2], [3, 4]])) // 5
 */
export const vdot = /* @__PURE__ */ takes('vdot', 2, (x: Operand, y: Operand): NdArray => {
  const [a, b] = bothOf('vdot', x, y).map((z) => c.reshape(z, [z.size])) as [NdArray, NdArray]
  return contract('vdot', a, b, [[0], [0]])
})
/**
 * Every product of an element of x and one of y, both flat: [n, m]. As `jnp.outer`.
 *
 * @example np.outer(np.array([1, 2]), np.array([3, 4])) // [[3, 4], [6, 8]]
 */
export const outer = /* @__PURE__ */ takes('outer', 2, (x: Operand, y: Operand): NdArray => {
  const [a, b] = bothOf('outer', x, y)
  return mul(c.reshape(a, [a.size, 1]), c.reshape(b, [1, b.size]))
})
/** So many of x's last and of y's first, or one axis or a list of each. */
export type TensordotAxes = number | readonly [x: number | readonly number[], y: number | readonly number[]]
export interface TensordotOptions {
  readonly axes?: TensordotAxes
}
const sides: OptionKind<TensordotAxes> = either(atLeast(0), pair(wholes))
const tensordotOptions: Schema<TensordotOptions> = { axes: sides }
const isAxes = (x: unknown): x is TensordotAxes => typeof x === 'number' || Array.isArray(x)
/**
 * The sum over the last n axes of x and the first n of y, or over given axes of each: the others in order. As `jnp.tensordot`.
 *
 * @throws ShapeError when the extents differ or an axis is out of range
 * @example np.tensordot(np.eye(2), np.array([[1, 2], [3, 4]]), { axes: 2 }) // 5
 */
export const tensordot = /* @__PURE__ */ takes(
  'tensordot',
  3,
  (x: Operand, y: Operand, options: TensordotAxes | TensordotOptions = 2): NdArray => {
    const [a, b] = bothOf('tensordot', x, y)
    const axes = isAxes(options) ? options : (optionsOf('tensordot', tensordotOptions, options).axes ?? 2)
    const n = typeof axes === 'number' ? wholeOf('tensordot', axes, 0) : 0
    if (n > Math.min(a.ndim, b.ndim)) refuse(ShapeError, 'tensordot', [a, b, n], `each operand needs ${n} axes`)
    const [left, right] = typeof axes === 'number' ? [c.range(n).map((i) => a.ndim - n + i), c.range(n)] : axes
    const sides = [axesOf('tensordot', a, left ?? []), axesOf('tensordot', b, right ?? [])] as const
    if (sides[0].length !== sides[1].length) refuse(ShapeError, 'tensordot', [a, b, axes], 'as many axes of each are needed')
    return contract('tensordot', a, b, sides)
  },
)

// Einstein's summation -----------------------------------------------------------------------------------------------------------

/** An operand with a label an axis. */
interface Term {
  readonly x: NdArray
  readonly labels: readonly string[]
}
const sizes = (terms: readonly Term[]): Map<string, number> => {
  const out = new Map<string, number>()
  for (const { x, labels } of terms) labels.forEach((l, d) => out.set(l, Math.max(out.get(l) ?? 0, x.shape[d]!)))
  return out
}
const reorder = ({ x, labels }: Term, to: readonly string[]): NdArray =>
  c.transpose(
    x,
    to.map((l) => labels.indexOf(l)),
  )
const sumOut = ({ x, labels }: Term, keep: (label: string) => boolean): Term => {
  const gone = c.range(labels.length).filter((d) => !keep(labels[d]!))
  return gone.length === 0 ? { x, labels } : { x: c.reduceSum(x, gone), labels: labels.filter(keep) }
}
/** Labels of an operand; those of '...' count from the right: '.0' is the last. */
const labelsOf = (term: string, x: NdArray, fail: (reason: string) => never): string[] => {
  const [before, after, more] = term.split('...')
  const letters = [...before!, ...(after ?? '')]
  if (more !== undefined || letters.some((l) => !/[a-zA-Z]/.test(l))) fail(`'${term}' holds more than letters and one '...'`)
  const hidden = x.ndim - letters.length
  if (hidden < 0 || (hidden > 0 && after === undefined)) fail(`'${term}' has ${letters.length} axes, and the operand ${x.ndim}`)
  return [...before!, ...c.range(hidden).map((i) => `.${hidden - 1 - i}`), ...(after ?? '')]
}
/** Diagonals for labels that stand twice, where an axis of 1 repeats; axes of 1 beside wider ones of the same label go. */
const prepared = (x: NdArray, labels: readonly string[], extent: Map<string, number>): Term => {
  let term: Term = { x, labels }
  for (const l of new Set(labels))
    while (term.labels.indexOf(l) !== term.labels.lastIndexOf(l)) {
      const [i, j] = [term.labels.indexOf(l), term.labels.lastIndexOf(l)]
      const wide = Math.max(term.x.shape[i]!, term.x.shape[j]!)
      const square = toShape(term.x, term.x.shape.map((n, d) => (d === i || d === j ? wide : n))) // prettier-ignore
      term = { x: diagonalOf(square, i, j), labels: [...term.labels.filter((_, d) => d !== i && d !== j), l] }
    }
  const stays = (d: number): boolean => term.x.shape[d] === extent.get(term.labels[d]!)
  const kept = c.range(term.labels.length).filter(stays)
  return { x: c.reshape(term.x, kept.map((d) => term.x.shape[d]!)), labels: kept.map((d) => term.labels[d]!) } // prettier-ignore
}
/** Two operands as one, with the labels that are wanted later. */
const merge = (a: Term, b: Term, wanted: ReadonlySet<string>): Term => {
  const both = a.labels.filter((l) => b.labels.includes(l))
  const [left, right] = [a, b].map((t) => sumOut(t, (l) => wanted.has(l) || both.includes(l))) as [Term, Term]
  const batch = both.filter((l) => wanted.has(l))
  const inner = both.filter((l) => !wanted.has(l))
  const free = (t: Term): string[] => t.labels.filter((l) => !both.includes(l))
  const labels = [...batch, ...free(left), ...free(right)]
  const at = (t: Term, ls: readonly string[]): number[] => ls.map((l) => t.labels.indexOf(l))
  if (inner.length > 0) {
    const x = c.dotGeneral(left.x, right.x, [at(left, inner), at(right, inner)], [at(left, batch), at(right, batch)])
    return { x, labels }
  }
  const extent = sizes([left, right])
  const spread = (t: Term): NdArray => {
    const own = labels.filter((l) => t.labels.includes(l))
    const shape = labels.map((l) => extent.get(l)!)
    return c.broadcastInDim(reorder(t, own), shape, own.map((l) => labels.indexOf(l))) // prettier-ignore
  }
  return { x: c.mul(spread(left), spread(right)), labels }
}

/**
 * Sums of products by labels: 'ij,jk->ik' is the matrix product, 'ii->i' the diagonal, 'bi,bj->bij' outer products; '...' stands for leading
 * axes that broadcast. Without '->' the labels that stand once, in order. As `jnp.einsum`; pairs that give the smallest result go first.
 *
 * @throws ShapeError when the labels don't fit the operands, or one label has two extents
 * @example np.einsum('ij,j->i', np.array([[1, 2], [3, 4]]), np.array([1, 1])) // [3, 7]
 */
export const einsum = (subscripts: string, ...operands: readonly Operand[]): NdArray => {
  const fail = (reason: string): never => refuse(ShapeError, 'einsum', [subscripts, ...operands], reason)
  if (typeof subscripts !== 'string') return fail("subscripts such as 'ij,jk->ik' come first")
  const [inputs, result, more] = subscripts.replaceAll(' ', '').split('->')
  const parts = inputs!.split(',')
  if (more !== undefined || parts.length !== operands.length) fail(`${parts.length} terms for ${operands.length} operands`)
  const xs = promoted('einsum', operands).map(numeric)
  const raw = xs.map((x, i): Term => ({ x, labels: labelsOf(parts[i]!, x, fail) }))
  const extent = sizes(raw)
  for (const { x, labels } of raw)
    labels.forEach((l, d) => {
      if (x.shape[d] !== extent.get(l) && x.shape[d] !== 1) fail(`the label ${l} has ${x.shape[d]} and ${extent.get(l)} elements`)
    })
  const every = raw.flatMap((t) => t.labels)
  const dots = [...new Set(every.filter((l) => l.startsWith('.')))].sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)))
  const out =
    result === undefined
      ? [...dots, ...[...new Set(every)].filter((l) => l.length === 1 && every.indexOf(l) === every.lastIndexOf(l)).sort()]
      : result.replace('...', '.').split('').flatMap((l) => (l === '.' ? dots : [l])) // prettier-ignore
  const wrong = out.find((l, i) => !extent.has(l) || out.indexOf(l) !== i)
  if (wrong !== undefined) fail(`the result's label ${wrong} stands in no operand, or twice`)
  // One contraction rounds once by itself; of several steps those between stay wide.
  const inside = (l: string): boolean => out.includes(l) || every.indexOf(l) !== every.lastIndexOf(l)
  const steps = raw.length > 2 || (raw.length === 2 && !every.every(inside))
  const terms = raw.map((t) => prepared(steps ? c.widened(t.x) : t.x, t.labels, extent))
  while (terms.length > 1) {
    let [bi, bj, least] = [0, 1, Infinity]
    const kept = (i: number, j: number): Set<string> => new Set([...out, ...terms.flatMap((t, k) => (k === i || k === j ? [] : t.labels))])
    for (let i = 0; i < terms.length; i++)
      for (let j = i + 1; j < terms.length; j++) {
        const wanted = kept(i, j)
        const labels = new Set([...terms[i]!.labels, ...terms[j]!.labels].filter((l) => wanted.has(l)))
        const cost = sizeOf([...labels].map((l) => extent.get(l)!)) - terms[i]!.x.size - terms[j]!.x.size
        if (cost < least) [bi, bj, least] = [i, j, cost]
      }
    const merged = merge(terms[bi]!, terms[bj]!, kept(bi, bj))
    terms.splice(bj, 1)
    terms.splice(bi, 1)
    terms.push(merged)
  }
  const { dtype } = xs[0]!
  const whole = reorder(sumOut(terms[0]!, (l) => out.includes(l)), out) // prettier-ignore
  return c.convertElementType(whole, dtype, whole.aval.weak)
}
