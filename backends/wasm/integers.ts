/**
 * Integer arithmetic written as expressions: `set(end, add(start, mul(rows, 4)))`. Loops, contractions and attention are made of
 * addresses, block ends and loops over them.
 */
import type { Affine } from '../../src/core/kernel.ts'
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'

export const roundUp = (x: number, to: number): number => Math.ceil(x / to) * to

/** So many locals. */
export type LocalsOf<N extends number, T extends readonly Local[] = readonly []> = T['length'] extends N
  ? T
  : LocalsOf<N, readonly [...T, Local]>

export class Integers {
  readonly f: FunctionBuilder
  constructor(f: FunctionBuilder) {
    this.f = f
  }

  private binary(op: 'add' | 'mul' | 'sub' | 'and' | 'shr_u' | 'eq' | 'ne' | 'lt_s' | 'gt_s' | 'div_u' | 'rem_u') {
    return (x: Value, y: Value): Value =>
      () => {
        this.f.push(x)
        this.f.push(y)
        this.f.i32[op]()
      }
  }
  readonly and = this.binary('and')
  readonly shr = this.binary('shr_u')
  readonly eq = this.binary('eq')
  readonly ne = this.binary('ne')
  readonly lt = this.binary('lt_s')
  readonly gt = this.binary('gt_s')
  readonly div = (x: Value, y: Value): Value => (y === 1 ? x : this.binary('div_u')(x, y))
  readonly rem = (x: Value, y: Value): Value => (y === 1 ? 0 : this.binary('rem_u')(x, y))
  readonly sub = (x: Value, y: Value): Value => (typeof y === 'number' ? this.add(x, -y) : this.binary('sub')(x, y))
  readonly add = (x: Value, y: Value): Value => (y === 0 ? x : x === 0 ? y : this.binary('add')(x, y))
  readonly mul = (x: Value, y: Value): Value => (x === 0 || y === 0 ? 0 : y === 1 ? x : this.binary('mul')(x, y))
  readonly load = (at: Value, offset = 0): Value => {
    return () => {
      this.f.push(at)
      this.f.i32.load(offset)
    }
  }
  readonly pick = (condition: Value, x: Value, y: Value): Value => {
    return () => {
      for (const value of [x, y, condition]) this.f.push(value)
      this.f.select()
    }
  }
  readonly min = (x: Value, y: Value): Value => this.pick(this.lt(x, y), x, y)
  readonly max = (x: Value, y: Value): Value => this.pick(this.gt(x, y), x, y)

  local(): Local {
    return this.f.local('i32')
  }
  locals<N extends number>(count: N): LocalsOf<N> {
    return Array.from({ length: count }, () => this.local()) as unknown as LocalsOf<N>
  }
  set(to: Local, value: Value): void {
    this.f.push(value)
    this.f.set(to)
  }
  /** A new local with this value. */
  hold(value: Value): Local {
    const local = this.local()
    this.set(local, value)
    return local
  }
  store(at: Value, value: Value, offset = 0): void {
    this.f.push(at)
    this.f.push(value)
    this.f.i32.store(offset)
  }
  /** x += by */
  step(x: Local, by: Value): void {
    this.set(x, this.add(x, by))
  }
  call(callee: FunctionHandle, ...values: readonly Value[]): void {
    for (const value of values) this.f.push(value)
    this.f.call(callee)
  }
  when(condition: Value, then: () => void, otherwise?: () => void): void {
    this.f.push(condition)
    this.f.if(then, otherwise)
  }
  /** While count >= by: body, count -= by. */
  countDown(count: Local, by: number, body: () => void): void {
    const more = this.gt(count, by - 1)
    this.when(more, () =>
      this.f.loop((again) => {
        body()
        this.step(count, -by)
        this.f.push(more)
        this.f.br_if(again)
      }),
    )
  }
  /** digit = x mod extent, x = x / extent */
  takeDigit(x: Local, extent: number, digit: Local): void {
    this.set(digit, this.rem(x, extent))
    if (extent !== 1) this.set(x, this.div(x, extent))
  }
  /** pointer + 4·(offset + Σ strides·index) */
  address(pointer: Value, { strides, offset }: Affine, index: readonly Value[]): Value {
    return strides.reduce((sum, s, d) => this.add(sum, this.mul(index[d] as Value, 4 * s)), this.add(pointer, 4 * offset))
  }
  /** Zeroes bytes. */
  clear(start: Value, bytes: Value): void {
    for (const value of [start, 0, bytes]) this.f.push(value)
    this.f.memoryFill()
  }
  /** Addresses of blocks of scratch memory, of these sizes in bytes. */
  blocks<N extends number>(...sizes: readonly number[] & { readonly length: N }): LocalsOf<N> {
    let total = 0
    const starts = sizes.map((size) => (total += roundUp(size, 64)) - roundUp(size, 64))
    const base = this.f.module.scratch(total)
    return starts.map((start) => this.hold(this.add(() => this.f.getGlobal(base), start))) as unknown as LocalsOf<N>
  }
}

/** Runs `body` for whole vectors, then for single elements with a load and a store of one lane. */
export const byLanes = (n: Integers, count: Local, body: (lanes: number, load: () => void, store: () => void) => void): void => {
  const { v128 } = n.f
  n.countDown(count, 4, () => body(4, v128.load.bind(v128), v128.store.bind(v128)))
  n.countDown(count, 1, () =>
    body(
      1,
      () => v128.load32_zero(),
      () => v128.store32_lane(0),
    ),
  )
}

/** A module's one function of this name, its parameters all i32. */
export const shared = <N extends number>(
  module: ModuleBuilder,
  name: string,
  params: N,
  emit: (n: Integers, ...params: LocalsOf<N>) => void,
): FunctionHandle =>
  module.once(name, () => {
    const f = module.func(name, Array(params).fill('i32'))
    emit(new Integers(f), ...(f.params as unknown as LocalsOf<N>))
    return f
  })
