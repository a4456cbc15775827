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
  readonly module: ModuleBuilder
  constructor(f: FunctionBuilder) {
    this.f = f
    this.module = f.module
  }

  and(x: Value, y: Value): Value {
    return this.f.i32.and(x, y)
  }
  shr(x: Value, y: Value): Value {
    return this.f.i32.shr_u(x, y)
  }
  eq(x: Value, y: Value): Value {
    return this.f.i32.eq(x, y)
  }
  ne(x: Value, y: Value): Value {
    return this.f.i32.ne(x, y)
  }
  lt(x: Value, y: Value): Value {
    return this.f.i32.lt_s(x, y)
  }
  gt(x: Value, y: Value): Value {
    return this.f.i32.gt_s(x, y)
  }
  div(x: Value, y: Value): Value {
    return y === 1 ? x : this.f.i32.div_u(x, y)
  }
  rem(x: Value, y: Value): Value {
    return y === 1 ? 0 : this.f.i32.rem_u(x, y)
  }
  sub(x: Value, y: Value): Value {
    return typeof y === 'number' ? this.add(x, -y) : this.f.i32.sub(x, y)
  }
  add(x: Value, y: Value): Value {
    return y === 0 ? x : x === 0 ? y : this.f.i32.add(x, y)
  }
  mul(x: Value, y: Value): Value {
    return x === 0 || y === 0 ? 0 : y === 1 ? x : this.f.i32.mul(x, y)
  }
  /** base + index · bytes */
  times(base: Value, index: Value, bytes: Value): Value {
    return this.add(base, this.mul(index, bytes))
  }
  pick(condition: Value, x: Value, y: Value): Value {
    return this.f.select(x, y, condition)
  }
  min(x: Value, y: Value): Value {
    return this.pick(this.lt(x, y), x, y)
  }
  max(x: Value, y: Value): Value {
    return this.pick(this.gt(x, y), x, y)
  }

  local(): Local {
    return this.f.local('i32')
  }
  locals<N extends number>(count: N): LocalsOf<N> {
    return Array.from({ length: count }, () => this.local()) as unknown as LocalsOf<N>
  }
  set(to: Local, value: Value): void {
    this.f.set(to, value)
  }
  /** A new local with this value. */
  hold(value: Value): Local {
    return this.f.hold('i32', value)
  }
  /** x += by */
  step(x: Local, by: Value): void {
    this.set(x, this.add(x, by))
  }
  call(callee: FunctionHandle, ...values: readonly Value[]): void {
    this.f.call(callee, ...values)
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
  /** pointer + bytes·(offset + Σ strides·index) */
  address(pointer: Value, { strides, offset }: Affine, index: readonly Value[], bytes = 4): Value {
    return strides.reduce((sum, s, d) => this.times(sum, index[d] as Value, bytes * s), this.add(pointer, bytes * offset))
  }
  /** Zeroes bytes. */
  clear(start: Value, bytes: Value): void {
    this.f.memoryFill(start, 0, bytes)
  }
  /** Addresses of blocks of scratch memory, of these sizes in bytes. */
  blocks<N extends number>(...sizes: readonly number[] & { readonly length: N }): LocalsOf<N> {
    let total = 0
    const starts = sizes.map((size) => (total += roundUp(size, 64)) - roundUp(size, 64))
    const base = this.module.scratch(total)
    return starts.map((start) => this.hold(this.add(() => this.f.getGlobal(base), start))) as unknown as LocalsOf<N>
  }
}

/** Runs `body` for whole vectors, then for single elements with a load and a store of one lane. */
export const byLanes = (
  n: Integers,
  count: Local,
  body: (lanes: number, load: (at: Local) => Value, store: (at: Local, value: Value) => void) => void,
): void => {
  const { v128 } = n.f
  n.countDown(count, 4, () => body(4, v128.load.bind(v128), v128.store.bind(v128)))
  n.countDown(count, 1, () => body(1, v128.load32_zero.bind(v128), (at, value) => v128.store32_lane(at, value, 0)))
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
