/**
 * Emits the values of nodes inside loops: each in a local, at the outermost loop where it doesn't change, for several
 * vectors of lanes at once. A scope is a loop's body: what it computed is known there and in the loops inside it.
 */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import type { Affine } from '../../src/core/kernel.ts'
import type { FunctionBuilder, Local } from './assembler.ts'
import { threefry } from './integer.ts'
import { laneStride, type Node } from './nodes.ts'
import { emitOp, emitShift, registerOf } from './ops.ts'
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
  /** min(lane, count - 1) for each lane: where strided loads may read. */
  readonly clamped: readonly Local[]
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
  readonly args: readonly Local[]
  readonly lanes: Lanes
  /** The index along each dim, by element; of the first lane for the lanes' dim. */
  readonly index: readonly Local[]
  readonly rows = new Map<Node, Row>()
  private readonly scopes: Scope[] = [{ dims: 0, locals: new Map() }]

  constructor(f: FunctionBuilder, args: readonly Local[], index: readonly Local[], lanes: Lanes) {
    this.f = f
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
    const { f } = this
    const start = `@${base?.index ?? ''}*${bytes}+${offset}`
    let key = start
    let at =
      base !== null && offset === 0
        ? base
        : this.known(start, 'i32', () => {
            f.const('i32', offset * bytes)
            if (base === null) return
            f.get(base)
            f.i32.add()
          })
    let seen = 0
    for (const { dims } of this.scopes) {
      for (let d = 0; d < strides.length; d++) {
        const stride = (strides[d] as number) * bytes
        if (stride === 0 || (dims & ~seen & (1 << d)) === 0) continue
        const before = at
        key += `,${d}:${stride}`
        at = this.known(key, 'i32', () => {
          f.get(before)
          f.get(this.index[d] as Local)
          if (stride !== 1) {
            const shift = Math.log2(stride)
            f.const('i32', Number.isInteger(shift) ? shift : stride)
            if (Number.isInteger(shift)) f.i32.shl()
            else f.i32.mul()
          }
          f.i32.add()
        })
      }
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
    if (row !== undefined) {
      f.get(this.place(row.base, row.access, 4))
      return f.v128.load(16 * vector)
    }
    switch (node.kind) {
      case 'load':
        return this.load(node, node.access, vector)
      case 'gather':
        return this.gather(node, vector)
      case 'index': {
        f.get(this.place(null, node.access, 1))
        f.i32x4.splat()
        const stride = node.access.strides[lanes.dim] ?? 0
        if (stride === 0 || (lanes.width === 1 && vector === 0)) return
        f.get(f.constantLanes([0, 1, 2, 3].map((lane) => stride * (lane + vector * lanes.width))))
        return f.i32x4.add()
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
      if (op === 'shl' || op === 'shrLogical' || op === 'shrArithmetic') return emitShift(f, op, x(), last.value)
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
      for (const arg of node.args.map((arg) => this.value(arg, vector))) f.get(arg)
      f.call(threefry(f.module))
      this.keep(`${block}1`, 'v128')
      this.keep(`${block}0`, 'v128')
    }
    f.get(this.find(block + (node.op === 'threefry0' ? 0 : 1)) as Local)
  }

  /** The load's value, zero where its guard fails. */
  private load(node: Node, access: Affine, vector: number): void {
    const { f, lanes } = this
    const guard = node.args[0]
    const stride = access.strides[lanes.dim] ?? 0
    const at = this.place(this.arg((node as Node & { readonly kind: 'load' }).arg), access, byteWidth[node.dtype])
    if (guard === undefined) return this.loadLanes(node.dtype, at, stride, vector, null)
    let mask = this.value(guard, vector)
    if (lanes.partial !== null) {
      f.get(mask)
      f.get(lanes.partial.mask)
      f.v128.and()
      mask = f.local('v128')
      f.set(mask)
    }
    const register = registerOf(node.dtype)
    f.get(mask)
    f.v128.any_true()
    const partial = lanes.width === 4 && (guard.deps & (1 << lanes.dim)) !== 0
    f.if(
      () => {
        this.loadLanes(node.dtype, at, stride, vector, partial ? mask : null)
        if (!partial) return
        f.get(mask)
        f.v128.and()
      },
      () => (register === 'v128' ? f.splat('i32x4', 0) : f.const(register, 0)),
      register,
    )
  }

  private loadLanes(dtype: DType, at: Local, stride: number, vector: number, mask: Local | null): void {
    const { f, lanes } = this
    const bytes = byteWidth[dtype]
    const offset = (lane: number): number => (vector * lanes.width + lane) * stride * bytes
    const point = (lane: number): number => {
      f.get(at)
      if (offset(lane) >= 0) return offset(lane)
      f.const('i32', offset(lane))
      f.i32.add()
      return 0
    }
    if (dtype === 'float64') return f.f64.load(point(0))
    if (dtype === 'key') return f.i64.load(point(0))
    if (stride === 1 && lanes.width === 4) f.v128.load(point(0))
    else if (stride === 0 || lanes.width === 1) f.v128.load32_splat(point(0))
    else this.loadStrided(at, stride, point, mask)
    if (dtype !== 'bool') return
    f.get(f.constant('i32x4', 0))
    f.i32x4.ne()
  }

  private loadStrided(at: Local, stride: number, point: (lane: number) => number, mask: Local | null): void {
    const { f, lanes } = this
    const out = f.local('v128')
    f.get(f.constant('i32x4', 0))
    f.set(out)
    for (let lane = 0; lane < 4; lane++) {
      const one = (): void => {
        let offset = 0
        if (lanes.partial === null) offset = point(lane)
        else {
          f.get(at)
          f.get(lanes.partial.clamped[lane] as Local)
          f.const('i32', stride * 4)
          f.i32.mul()
          f.i32.add()
        }
        f.get(out)
        f.v128.load32_lane(lane, offset)
        f.set(out)
      }
      if (mask === null) one()
      else {
        f.get(mask)
        f.i32x4.extract_lane(lane)
        f.if(one)
      }
    }
    f.get(out)
  }

  private gather(node: Node & { readonly kind: 'gather' }, vector: number): void {
    const { f, lanes } = this
    const number = node.args[0] as Node
    const stride = lanes.width === 1 ? 0 : laneStride(number, lanes.dim)
    const bytes = byteWidth[node.dtype]
    const pushAt = (element: Local, lane: number): void => {
      f.get(this.arg(node.arg))
      f.get(element)
      f.i32x4.extract_lane(lane)
      f.const('i32', Math.log2(bytes))
      f.i32.shl()
      f.i32.add()
    }
    if (stride === 0 || stride === 1) {
      const at = this.known(`${node.id} at`, 'i32', () => pushAt(this.value(number, 0), 0))
      return this.loadLanes(node.dtype, at, stride, vector, null)
    }
    let element = this.value(number, vector)
    if (lanes.partial !== null) {
      const inside = f.local('v128')
      f.get(element)
      f.get(lanes.partial.mask)
      f.v128.and()
      f.set(inside)
      element = inside
    }
    const out = f.local('v128')
    for (let lane = 0; lane < 4; lane++) {
      pushAt(element, lane)
      f.get(out)
      f.v128.load32_lane(lane)
      f.set(out)
    }
    f.get(out)
    if (node.dtype !== 'bool') return
    f.get(f.constant('i32x4', 0))
    f.i32x4.ne()
  }

  /** Stores a value at an output's place: as many lanes as exist, or the first only where lanes don't move it. */
  store(arg: number, access: Affine, dtype: DType, value: Local, vector: number, lanewise: boolean): void {
    const { f, lanes } = this
    const bytes = byteWidth[dtype]
    const at = this.place(this.arg(arg), access, bytes)
    const stride = lanewise ? (access.strides[lanes.dim] ?? 0) : 0
    if (dtype === 'float64' || dtype === 'key') {
      f.get(at)
      f.get(value)
      return dtype === 'float64' ? f.f64.store() : f.i64.store()
    }
    let stored = value
    if (dtype === 'bool') {
      stored = f.local('v128')
      f.get(value)
      f.get(f.constant('i32x4', 1))
      f.v128.and()
      f.set(stored)
    }
    const lane = (l: number): void => {
      const offset = (vector * lanes.width + l) * stride * 4
      f.get(at)
      if (offset < 0) {
        f.const('i32', offset)
        f.i32.add()
      }
      f.get(stored)
      f.v128.store32_lane(l, Math.max(offset, 0))
    }
    if (!lanewise || lanes.width === 1) return lane(0)
    const { partial } = lanes
    const whole = (): void => {
      if (stride !== 1) return [0, 1, 2, 3].forEach(lane)
      f.get(at)
      f.get(stored)
      f.v128.store(16 * vector)
    }
    if (partial === null) return whole()
    f.get(partial.count)
    f.const('i32', 4)
    f.i32.ge_s()
    f.if(whole, () => {
      lane(0)
      for (const l of [1, 2]) {
        f.get(partial.count)
        f.const('i32', l)
        f.i32.gt_s()
        f.if(() => lane(l))
      }
    })
  }

  /** Keeps a spilled node's lanes. */
  spill(node: Node, row: Row, vector: number): void {
    const { f } = this
    const value = this.value(node, vector)
    f.get(this.place(row.base, row.access, 4))
    f.get(value)
    f.v128.store(16 * vector)
  }
}
