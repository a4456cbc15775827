/**
 * Emits the values of nodes inside loops: each in a local, at the outermost loop where it doesn't change, for several
 * vectors of lanes at once. A scope is a loop's body: what it computed is known there and in the loops inside it.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Affine } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local, Value } from './assembler.ts'
import { threefry } from './integer.ts'
import { Integers } from './integers.ts'
import { laneStride, type Node } from './nodes.ts'
import { emitOp, emitShift, isShift, registerOf } from './ops.ts'
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

export class Evaluator {
  readonly f: FunctionBuilder
  private readonly n: Integers
  readonly args: readonly Local[]
  readonly lanes: Lanes
  /** The index along each dim, by element; of the first lane for the lanes' dim. */
  readonly index: readonly Local[]
  readonly rows = new Map<Node, Row>()
  private readonly scopes: Scope[] = [{ dims: 0, locals: new Map() }]

  constructor(f: FunctionBuilder, args: readonly Local[], index: readonly Local[], lanes: Lanes) {
    this.f = f
    this.n = new Integers(f)
    this.args = args
    this.index = index
    this.lanes = lanes
  }

  /** Emits `body` as a scope in which the dims of `dims` have settled too. */
  scope(dims: number, body: () => void): void {
    this.scopes.push({ dims: this.settled | dims, locals: new Map() })
    body()
    this.scopes.pop()
  }

  get settled(): number {
    return (this.scopes.at(-1) as Scope).dims
  }

  private find(key: string): Local | undefined {
    for (let i = this.scopes.length - 1; i >= 0; i--) {
      const local = (this.scopes[i] as Scope).locals.get(key)
      if (local !== undefined) return local
    }
    return undefined
  }

  /** Pops the stack into a new local, known under `key` from here on. */
  private keep(key: string, type: 'i32' | 'v128' | 'f64' | 'i64'): Local {
    const local = this.f.local(type)
    this.f.set(local)
    ;(this.scopes.at(-1) as Scope).locals.set(key, local)
    return local
  }

  /** What was computed under `key` here or outside, else computes it now. */
  private known(key: string, type: 'i32' | 'v128' | 'f64' | 'i64', emit: () => void): Local {
    const found = this.find(key)
    if (found !== undefined) return found
    emit()
    return this.keep(key, type)
  }

  private key(node: Node, vector: number): string {
    return `${node.id}.${node.deps & (1 << this.lanes.dim) ? vector : 0}`
  }

  /** Declares a node's value, computed elsewhere. */
  define(node: Node, vector: number, local: Local): void {
    ;(this.scopes.at(-1) as Scope).locals.set(this.key(node, vector), local)
  }

  /** Computes now whatever of `roots` (whose reductions of `depth` have finished) doesn't change in the loops to come. */
  hoist(roots: readonly Node[], depth: number): void {
    const seen = new Set<Node>()
    const visit = (node: Node): void => {
      if (seen.has(node) || node.kind === 'const') return
      seen.add(node)
      if ((node.deps & ~this.settled) === 0 && node.depth <= depth) {
        const vectors = node.deps & (1 << this.lanes.dim) ? this.lanes.vectors : 1
        for (let v = 0; v < vectors; v++) this.value(node, v)
        return
      }
      const row = this.rows.get(node)
      if (row !== undefined) return void this.place(row.base, row.access, 4)
      if (node.kind === 'load') this.place(this.arg(node.arg), node.access, byteWidth[node.dtype])
      if (node.kind === 'index') this.place(null, node.access, 1)
      if (node.kind !== 'reduce') node.args.forEach(visit)
    }
    roots.forEach(visit)
  }

  private arg(i: number): Local {
    return this.args[i] as Local
  }

  /** base + bytes · affine(index), with the part that has settled outside computed there. */
  private place(base: Local | null, { strides, offset }: Affine, bytes: number): Local {
    const { f, n } = this
    let key = `@${base?.index ?? ''}*${bytes}+${offset}`
    let at = base !== null && offset === 0 ? base : this.known(key, 'i32', () => f.push(n.add(base ?? 0, offset * bytes)))
    let seen = 0
    for (const { dims } of this.scopes) {
      strides.forEach((stride, d) => {
        if (stride === 0 || (dims & ~seen & (1 << d)) === 0) return
        const before = at
        key += `,${d}:${stride}`
        at = this.known(key, 'i32', () => f.push(n.times(before, this.index[d] as Local, stride * bytes)))
      })
      seen |= dims
    }
    return at
  }

  /** The node's value for one vector of lanes. */
  value(node: Node, vector: number): Local {
    const { f, lanes } = this
    if (node.kind === 'const') {
      const { dtype, value } = node
      if (dtype === 'float32') return f.constant('f32x4', value)
      if (dtype === 'float64') return f.constant('f64', value)
      return f.constant('i32x4', dtype === 'bool' ? -Number(value !== 0) : value)
    }
    const v = node.deps & (1 << lanes.dim) ? vector : 0
    return this.known(this.key(node, v), registerOf(node.dtype), () => this.emit(node, v))
  }

  private emit(node: Node, vector: number): void {
    const { f, lanes } = this
    const row = this.rows.get(node)
    if (row !== undefined) return f.push(f.v128.load(this.place(row.base, row.access, 4), 16 * vector))
    switch (node.kind) {
      case 'load':
        return this.load(node, vector)
      case 'gather':
        return this.gather(node, vector)
      case 'index': {
        const first = f.i32x4.splat(this.place(null, node.access, 1))
        const stride = node.access.strides[lanes.dim] ?? 0
        if (stride === 0 || (lanes.width === 1 && vector === 0)) return first()
        const steps = [0, 1, 2, 3].map((lane) => stride * (lane + vector * lanes.width))
        return f.push(f.i32x4.add(first, f.constant('i32x4', ...steps)))
      }
      case 'apply':
        return this.apply(node, vector)
      case 'const':
      case 'reduce':
        throw new Error(`internal: ${node.kind} has no value here`)
    }
  }

  private apply(node: Node & { readonly kind: 'apply' }, vector: number): void {
    const { f } = this
    const { op, dtype, args } = node
    const last = args.at(-1) as Node
    if (last.kind === 'const' && args.length === 2) {
      const x = (): Local => this.value(args[0] as Node, vector)
      if (isShift(op)) return emitShift(f, op, x(), last.value)
      // pmax(x, c) is x where x is NaN, and one instruction
      const { F } = calculator(f)
      if (dtype === 'float32' && (op === 'max' || op === 'min') && !Number.isNaN(last.value))
        return f.push(F[op === 'max' ? 'pmax' : 'pmin'](x(), last.value))
    }
    if (op === 'threefry0' || op === 'threefry1') return this.threefry(node, vector)
    const locals = args.map((arg) => this.value(arg, vector))
    emitOp(
      f,
      op,
      dtype,
      args.map((arg) => arg.dtype),
      locals,
    )
  }

  /** Both words of a block cost as much as one. */
  private threefry(node: Node & { readonly kind: 'apply' }, vector: number): void {
    const { f } = this
    const block = `fry ${node.args.map((arg) => arg.id)} ${vector} `
    if (this.find(`${block}0`) === undefined) {
      f.call(threefry(f.module), ...node.args.map((arg) => this.value(arg, vector)))
      this.keep(`${block}1`, 'v128')
      this.keep(`${block}0`, 'v128')
    }
    f.get(this.find(block + (node.op === 'threefry0' ? 0 : 1)) as Local)
  }

  /** The load's value, zero where its guard fails. */
  private load(node: Node & { readonly kind: 'load' }, vector: number): void {
    const { f, lanes } = this
    const guard = node.args[0]
    const stride = node.access.strides[lanes.dim] ?? 0
    const at = this.place(this.arg(node.arg), node.access, byteWidth[node.dtype])
    if (guard === undefined) return this.loadLanes(node.dtype, at, stride, vector, lanes.partial?.mask ?? null)
    const c = calculator(f)
    const some = this.value(guard, vector)
    const mask = lanes.partial === null ? some : c.hold(c.B.and(some, lanes.partial.mask))
    const register = registerOf(node.dtype)
    f.push(c.B.any_true(mask))
    const lanewise = lanes.width === 4 && (guard.deps & (1 << lanes.dim)) !== 0
    f.if(
      () => {
        this.loadLanes(node.dtype, at, stride, vector, lanewise ? mask : null)
        if (lanewise) f.push(c.B.and(() => {}, mask))
      },
      () => f.get(f.local(register)), // zero
      register,
    )
  }

  /** Lanes a stride apart. Those that lie apart are read where `mask` holds; a vector of neighbours is read whole. */
  private loadLanes(dtype: DType, at: Local, stride: number, vector: number, mask: Local | null): void {
    const { f, n, lanes } = this
    const bytes = byteWidth[dtype]
    const point = (lane: number): Value => n.add(at, (vector * lanes.width + lane) * stride * bytes)
    if (stride !== 0 && stride !== 1 && lanes.width === 4) return this.gatherLanes(dtype, point, mask)
    if (dtype === 'float64' || dtype === 'key') return f.push(f[registerOf(dtype)].load(point(0)))
    f.push(stride === 1 && lanes.width === 4 ? f.v128.load(point(0)) : f.v128.load32_splat(point(0)))
    if (dtype === 'bool') this.toMask()
  }

  private gatherLanes(dtype: DType, point: (lane: number) => Value, mask: Local | null): void {
    const { f, n } = this
    const out = f.hold('v128', f.constant('i32x4', 0))
    for (let lane = 0; lane < 4; lane++) {
      const one = (): void => f.set(out, f.v128.load32_lane(point(lane), out, lane))
      if (mask === null) one()
      else n.when(f.i32x4.extract_lane(mask, lane), one)
    }
    f.get(out)
    if (dtype === 'bool') this.toMask()
  }

  /** Bools in memory are words of 0 or 1. */
  private toMask(): void {
    this.f.get(this.f.constant('i32x4', 0))
    this.f.push(this.f.i32x4.ne())
  }

  private gather(node: Node & { readonly kind: 'gather' }, vector: number): void {
    const { f, n, lanes } = this
    const number = node.args[0] as Node
    const stride = lanes.width === 1 ? 0 : laneStride(number, lanes.dim)
    const from = (element: Local, lane: number): Value =>
      n.times(this.arg(node.arg), f.i32x4.extract_lane(element, lane), byteWidth[node.dtype])
    if (stride !== 0 && stride !== 1) {
      const element = this.value(number, vector)
      return this.gatherLanes(node.dtype, (lane) => from(element, lane), lanes.partial?.mask ?? null)
    }
    const at = this.known(`${node.id} at`, 'i32', () => f.push(from(this.value(number, 0), 0)))
    this.loadLanes(node.dtype, at, stride, vector, null)
  }

  /** Stores a value at an output's place: as many lanes as exist, or the first only where lanes don't move it. */
  store(arg: number, access: Affine, dtype: DType, value: Local, vector: number, lanewise: boolean): void {
    const { f, n, lanes } = this
    const at = this.place(this.arg(arg), access, byteWidth[dtype])
    const stride = lanewise ? (access.strides[lanes.dim] ?? 0) : 0
    if (dtype === 'float64' || dtype === 'key') return f[registerOf(dtype)].store(at, value)
    const stored = dtype === 'bool' ? f.hold('v128', f.v128.and(value, 1)) : value
    const one = (lane: number): void => f.v128.store32_lane(n.add(at, (vector * lanes.width + lane) * stride * 4), stored, lane)
    if (!lanewise || lanes.width === 1) return one(0)
    const { partial } = lanes
    if (partial !== null) for (const lane of [0, 1, 2, 3]) n.when(n.gt(partial.count, lane), () => one(lane))
    else if (stride !== 1) for (const lane of [0, 1, 2, 3]) one(lane)
    else f.v128.store(at, stored, 16 * vector)
  }

  /** Keeps a spilled node's lanes. */
  spill(node: Node, row: Row, vector: number): void {
    const value = this.value(node, vector)
    this.f.v128.store(this.place(row.base, row.access, 4), value, 16 * vector)
  }
}
