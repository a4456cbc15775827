/**
 * Emits the values of nodes inside loops: each in a local, at the outermost loop where it doesn't change, for several
 * vectors of lanes at once. A scope is a loop's body: what it computed is known there and in the loops inside it.
 */
import { byteWidth, type DType, isHalf } from '../../src/core/dtype.ts'
import type { Affine } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, ValType, Value } from './assembler.ts'
import { Integers } from './address.ts'
import { laneStride, type Node, type OutputNode } from './nodes.ts'
import { isShift, operation, paired, registerOf, shiftBy } from './ops.ts'
import { calculator } from './vec.ts'

/** The lanes being computed: `vectors` of `width` neighbours along dim `dim`, of which only `count` in the (one) vector exist if `mask` is set. */
export interface Lanes {
  readonly dim: number
  readonly width: 1 | 4
  vectors: number
  partial: Partial | null
}

export interface Partial {
  readonly count: Local
  readonly mask: Local
}

interface Scope {
  readonly dims: number
  readonly locals: Map<string, Local>
}

/** A spilled node's row in scratch memory. */
export interface Row {
  readonly base: Local
  readonly access: Affine
}

/** `index`: the index along each dim, by element; of the first lane for the lanes' dim. */
export const evaluatorOf = (f: FunctionBuilder, args: readonly Local[], index: readonly Local[], lanes: Lanes) => {
  const n = new Integers(f)
  const { F, B, I, hold } = calculator(f)
  /** Nodes whose values were kept by an earlier pass. */
  const rows = new Map<Node, Row>()
  const scopes: Scope[] = [{ dims: 0, locals: new Map() }]
  const innermost = (): Scope => scopes.at(-1) as Scope

  /** Emits `body` as a scope in which the dims of `dims` have settled too. */
  const scope = (dims: number, body: () => void): void => {
    scopes.push({ dims: innermost().dims | dims, locals: new Map() })
    body()
    scopes.pop()
  }
  const find = (key: string): Local | undefined => scopes.findLast(({ locals }) => locals.has(key))?.locals.get(key)
  const keep = (key: string, local: Local): Local => {
    innermost().locals.set(key, local)
    return local
  }
  /** What was computed under `key` here or outside, else computes it now. */
  const known = (key: string, type: ValType, make: () => Value): Local => find(key) ?? keep(key, f.hold(type, make()))

  const varies = (node: Node): boolean => (node.deps & (1 << lanes.dim)) !== 0
  const keyOf = (node: Node, vector: number): string => `${node.id}.${varies(node) ? vector : 0}`
  const argOf = ({ arg }: { readonly arg: number }): Local => args[arg] as Local
  const strideOf = ({ strides }: Affine): number => strides[lanes.dim] ?? 0

  /** base + bytes · affine(index), with the part that has settled outside computed there. */
  const place = (base: Local | null, { strides, offset }: Affine, bytes: number): Local => {
    let key = `@${base?.index ?? ''}*${bytes}+${offset}`
    let at = base !== null && offset === 0 ? base : known(key, 'i32', () => n.add(base ?? 0, offset * bytes))
    let seen = 0
    for (const { dims } of scopes) {
      strides.forEach((stride, d) => {
        if (stride === 0 || (dims & ~seen & (1 << d)) === 0) return
        const before = at
        key += `,${d}:${stride}`
        at = known(key, 'i32', () => n.times(before, index[d] as Local, stride * bytes))
      })
      seen |= dims
    }
    return at
  }
  const placeOfRow = ({ base, access }: Row): Local => place(base, access, 4)
  const placeOfLoad = (node: Node & { readonly kind: 'load' }): Local => place(argOf(node), node.access, byteWidth[node.dtype])

  /** Computes now whatever of `roots` (whose reductions of `depth` have finished) doesn't change in the loops to come. */
  const hoist = (roots: readonly Node[], depth: number): void => {
    const seen = new Set<Node>()
    const visit = (node: Node): void => {
      if (seen.has(node) || node.kind === 'const') return
      seen.add(node)
      if ((node.deps & ~innermost().dims) === 0 && node.depth <= depth) {
        for (let v = 0; v < (varies(node) ? lanes.vectors : 1); v++) value(node, v)
        return
      }
      const row = rows.get(node)
      if (row !== undefined) return void placeOfRow(row)
      if (node.kind === 'load') placeOfLoad(node)
      if (node.kind === 'index') place(null, node.access, 1)
      if (node.kind !== 'reduce') node.args.forEach(visit)
    }
    roots.forEach(visit)
  }

  /** The node's value for one vector of lanes. */
  const value = (node: Node, vector: number): Local => {
    if (node.kind !== 'const') return known(keyOf(node, vector), registerOf(node.dtype), () => compute(node, varies(node) ? vector : 0))
    const { dtype, value } = node
    if (dtype === 'float32') return f.constant('f32x4', value)
    if (dtype === 'float64') return f.constant('f64', value)
    return f.constant('i32x4', dtype === 'bool' ? -Number(value !== 0) : value)
  }

  const compute = (node: Node, vector: number): Value => {
    const row = rows.get(node)
    if (row !== undefined) return B.load(placeOfRow(row), 16 * vector)
    switch (node.kind) {
      case 'load':
        return load(node, vector)
      case 'gather':
        return gather(node, vector)
      case 'index': {
        const first = I.splat(place(null, node.access, 1))
        const stride = strideOf(node.access)
        if (stride === 0 || (lanes.width === 1 && vector === 0)) return first
        return I.add(first, f.constant('i32x4', ...[0, 1, 2, 3].map((lane) => stride * (lane + vector * lanes.width))))
      }
      case 'apply':
        return apply(node, vector)
      default:
        throw new Error(`internal: ${node.kind} has no value here`)
    }
  }

  const apply = ({ op, dtype, args }: Node & { readonly kind: 'apply' }, vector: number): Value => {
    const [x, last] = [args[0] as Node, args.at(-1) as Node]
    if (last.kind === 'const' && args.length === 2) {
      if (isShift(op)) return shiftBy(f, op, value(x, vector), last.value)
      // pmax(x, c) is x where x is NaN, and one instruction
      if (dtype === 'float32' && (op === 'max' || op === 'min') && !Number.isNaN(last.value))
        return F[`p${op}`](value(x, vector), last.value)
    }
    const values = args.map((arg) => value(arg, vector))
    const both = paired[op]
    if (both === undefined)
      return operation(
        f,
        op,
        dtype,
        args.map((arg) => arg.dtype),
        values,
      )
    // Both words of a block cost as much as one.
    const block = `both ${values.map((local) => local.index)} `
    if (find(`${block}1`) === undefined) {
      f.call(both(f.module), ...values)
      keep(`${block}1`, hold())
      keep(`${block}0`, hold())
    }
    return find(block + op.at(-1)) as Local
  }

  /** The load's value, zero where its guard fails. */
  const load = (node: Node & { readonly kind: 'load' }, vector: number): Value => {
    const guard = node.args[0]
    const at = placeOfLoad(node)
    const read = (mask: Local | null): Value => loadLanes(node.dtype, at, strideOf(node.access), vector, mask)
    const exists = lanes.partial?.mask ?? null
    if (guard === undefined) return read(exists)
    const some = value(guard, vector)
    const mask = exists === null ? some : hold(B.and(some, exists))
    const register = registerOf(node.dtype)
    const lanewise = lanes.width === 4 && varies(guard)
    return () => {
      f.push(B.any_true(mask))
      f.if(
        () => f.push(lanewise ? B.and(read(mask), mask) : read(null)),
        () => f.get(f.local(register)), // zero
        register,
      )
    }
  }

  /** Lanes a stride apart. Those that lie apart are read where `mask` holds; a vector of neighbours is read whole. */
  const loadLanes = (dtype: DType, at: Local, stride: number, vector: number, mask: Local | null): Value => {
    const point = (lane: number): Value => n.add(at, (vector * lanes.width + lane) * stride * byteWidth[dtype])
    if (stride !== 0 && stride !== 1 && lanes.width === 4) return gatherLanes(dtype, point, mask)
    if (dtype === 'float64' || dtype === 'key') return f[registerOf(dtype)].load(point(0))
    const side = stride === 1 && lanes.width === 4
    if (isHalf(dtype)) return side ? B.load16x4_u(point(0)) : gatherLanes(dtype, point, mask)
    return fromMemory(dtype, side ? B.load(point(0)) : B.load32_splat(point(0)))
  }

  const gatherLanes = (dtype: DType, point: (lane: number) => Value, mask: Local | null): Value => {
    const out = hold(f.constant('i32x4', 0))
    for (let lane = 0; lane < lanes.width; lane++) {
      const one = (): void => f.set(out, isHalf(dtype) ? B.load16_lane(point(lane), out, 2 * lane) : B.load32_lane(point(lane), out, lane))
      if (mask === null) one()
      else n.when(I.extract_lane(mask, lane), one)
    }
    return fromMemory(dtype, out)
  }

  /** Bools in memory are words of 0 or 1. */
  const fromMemory = (dtype: DType, words: Value): Value => (dtype === 'bool' ? I.ne(words, 0) : words)

  const gather = (node: Node & { readonly kind: 'gather' }, vector: number): Value => {
    const number = node.args[0] as Node
    const stride = lanes.width === 1 ? 0 : laneStride(number, lanes.dim)
    const from = (element: Local, lane: number): Value => n.times(argOf(node), I.extract_lane(element, lane), byteWidth[node.dtype])
    if (stride !== 0 && stride !== 1) {
      const element = value(number, vector)
      return gatherLanes(node.dtype, (lane) => from(element, lane), lanes.partial?.mask ?? null)
    }
    const at = known(`${node.id} at`, 'i32', () => from(value(number, 0), 0))
    return loadLanes(node.dtype, at, stride, vector, null)
  }

  /** Stores a value at an output's place: as many lanes as exist, or the first only where lanes don't move it. */
  const store = ({ arg, access, node: { dtype } }: OutputNode, value: Local, vector: number, lanewise: boolean): void => {
    const at = place(args[arg] as Local, access, byteWidth[dtype])
    const stride = lanewise ? strideOf(access) : 0
    if (dtype === 'float64' || dtype === 'key') return f[registerOf(dtype)].store(at, value)
    const stored = dtype === 'bool' ? hold(B.and(value, 1)) : value
    const one = (lane: number): void => {
      const point = n.add(at, (vector * lanes.width + lane) * stride * byteWidth[dtype])
      if (isHalf(dtype)) B.store16_lane(point, stored, 2 * lane)
      else B.store32_lane(point, stored, lane)
    }
    const { partial } = lanes
    if (!lanewise || lanes.width === 1) one(0)
    else if (partial === null && stride === 1 && !isHalf(dtype)) B.store(at, stored, 16 * vector)
    else
      for (const lane of [0, 1, 2, 3])
        if (partial === null) one(lane)
        else n.when(n.gt(partial.count, lane), () => one(lane))
  }

  return {
    lanes,
    rows,
    scope,
    hoist,
    value,
    store,
    /** Declares a node's value, computed elsewhere. */
    define: (node: Node, vector: number, local: Local): void => void keep(keyOf(node, vector), local),
    /** Keeps a spilled node's lanes. */
    spill: (node: Node, row: Row, vector: number): void => {
      const kept = value(node, vector)
      B.store(placeOfRow(row), kept, 16 * vector)
    },
  }
}
