/**
 * A WebAssembly encoder: modules of functions written as calls, straight into typed arrays.
 *
 *   const m = new ModuleBuilder()                       // imports memory 'm' 'memory'
 *   const f = m.func('scale', ['i32', 'i32', 'f32'])     // parameters; results as a third argument; f is also the callee handle
 *   const [ptr, end, by] = f.params
 *   const s = f.local('v128')
 *   f.get(by); f.f32x4.splat(); f.set(s)
 *   f.for('i32', ptr, end, 16, (p) => {                  // p goes from ptr while p < end in steps of 16
 *     f.get(p)                                           // address for the store
 *     f.get(p); f.v128.load(); f.get(s); f.f32x4.mul()
 *     f.v128.store()
 *   })
 *   m.export('scale', f)
 *   new WebAssembly.Instance(new WebAssembly.Module(m.finish()), { m: { memory } })
 *
 * - Instructions are `f.<type>.<name in WAT>(immediates)`: `f.i32.add()`, `f.v128.load(offset, align)`, `f.f32x4.extract_lane(lane)`.
 * - `f.const('i32' | 'i64' | 'f32' | 'f64', value)` pushes a literal; `f.splat('f32x4' | 'i32x4' | 'f64x2', value)` pushes a v128 literal.
 *   `f.constant(type, value)` is a local that holds it, set once at the head of the function: what loops should use.
 * - `f.push(x)` pushes a `Value`: a number (an i32), a Local, or a callback that emits code leaving one value.
 * - `f.block(body)`, `f.loop(body)` give `body` a Label for `f.br(label)`, `f.br_if(label)`; `f.if(then, otherwise?, type?)` pops a condition.
 * - `f.fma('f32x4')`: a, b, c -> a·b + c, relaxed (fused where the CPU can) when the module was built with `relaxed`, else mul and add:
 *   the result's last bit depends on the engine. `f.prologue(() => …)` emits at the head of the function, before what was emitted so far.
 * - `m.once(key, make)` makes a shared function on first use. `m.importFunction(name, params, results)` imports from 'm';
 *   imports may come at any time. `disassemble.ts` makes a readable listing of a function.
 */
import { Bytes } from './bytes.ts'
import { type Immediate, type Ops, type OpType, opcodes, type Run } from './opcodes.ts'

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

const valCode: Readonly<Record<ValType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b }

export interface Local {
  readonly type: ValType
  readonly index: number
}

/** What a branch aims at. */
export interface Label {
  readonly depth: number
}

/** The number of a mutable i32. */
export type Global = number

/** Pushes one value: an i32 literal, a local, or code. */
export type Value = number | Local | (() => void)

export type Lanes = 'f32x4' | 'i32x4' | 'f64x2'

/** Anything that can be called. `order` counts imports and defined functions apart. */
export interface FunctionHandle {
  readonly name: string
  readonly imported: boolean
  readonly order: number
  readonly type: number
}

type Emit = (...immediates: number[]) => void
type OpsClass = new (f: FunctionBuilder) => Record<string, Emit>

/** A class with a method for each instruction of a type, so that a function builder costs ten small objects. */
const opsClass = (runs: readonly Run[]): OpsClass => {
  class Emitter {
    readonly f: FunctionBuilder
    constructor(f: FunctionBuilder) {
      this.f = f
    }
  }
  for (const { prefix, base, names, immediate } of runs)
    names.split(' ').forEach((name, i) => {
      const emit = function (this: Emitter, x = 0, y = 0) {
        this.f.op(prefix, base + i, immediate, x, y)
      }
      if (name !== '_') Object.defineProperty(Emitter.prototype, name, { value: emit })
    })
  return Emitter as unknown as OpsClass
}

const opsClasses = Object.fromEntries(Object.entries(opcodes).map(([type, runs]) => [type, opsClass(runs)])) as unknown as {
  readonly [T in OpType]: new (f: FunctionBuilder) => Ops<T>
}

/** A constant's bit pattern as a key: -0 and 0 differ. */
const constantKey = (type: string, value: number): string => (Object.is(value, -0) ? `${type}:-0` : `${type}:${value}`)

export class FunctionBuilder implements FunctionHandle {
  readonly module: ModuleBuilder
  readonly name: string
  readonly imported = false
  readonly order: number
  readonly type: number
  readonly params: readonly Local[]
  readonly i32 = new opsClasses.i32(this)
  readonly i64 = new opsClasses.i64(this)
  readonly f32 = new opsClasses.f32(this)
  readonly f64 = new opsClasses.f64(this)
  readonly v128 = new opsClasses.v128(this)
  readonly i32x4 = new opsClasses.i32x4(this)
  readonly f32x4 = new opsClasses.f32x4(this)
  readonly f64x2 = new opsClasses.f64x2(this)
  /** Types of what follows the parameters. */
  readonly locals: ValType[] = []
  readonly head = new Bytes()
  readonly body = new Bytes()
  private code = this.body
  private depth = 0
  private readonly constants = new Map<string, Local>()
  /** Where an index is to be filled in. */
  readonly calls: { readonly code: Bytes; readonly at: number; readonly callee: FunctionHandle }[] = []

  constructor(module: ModuleBuilder, name: string, order: number, type: number, params: readonly ValType[]) {
    this.module = module
    this.name = name
    this.order = order
    this.type = type
    this.params = params.map((type, index) => ({ type, index }))
  }

  /** The i-th parameter. */
  param(i: number): Local {
    const param = this.params[i]
    if (param === undefined) throw new RangeError(`${this.name} has no parameter ${i}`)
    return param
  }

  /** A new local, zero at entry. */
  local(type: ValType): Local {
    this.locals.push(type)
    return { type, index: this.params.length + this.locals.length - 1 }
  }

  op(prefix: number, code: number, immediate: Immediate = 'none', x = 0, y = 0): void {
    const out = this.code
    if (prefix === 0) out.u8(code)
    else {
      out.u8(prefix)
      out.u32(code)
    }
    if (immediate === 'lane') out.u8(x)
    else if (immediate === 'memory') {
      // Atomics must promise their natural alignment: all of ours are 32-bit.
      out.u32(prefix === 0xfe ? 2 : y)
      out.u32(x)
    } else if (immediate === 'memoryLane') {
      out.u8(0)
      out.u32(y)
      out.u8(x)
    }
  }

  get(local: Local): void {
    this.code.u8(0x20)
    this.code.u32(local.index)
  }
  set(local: Local): void {
    this.code.u8(0x21)
    this.code.u32(local.index)
  }
  tee(local: Local): void {
    this.code.u8(0x22)
    this.code.u32(local.index)
  }
  getGlobal(global: Global): void {
    this.code.u8(0x23)
    this.code.u32(global)
  }
  setGlobal(global: Global): void {
    this.code.u8(0x24)
    this.code.u32(global)
  }

  const(type: 'i32' | 'i64' | 'f32' | 'f64', value: number): void {
    const out = this.code
    switch (type) {
      case 'i32':
        out.u8(0x41)
        return out.s32(value)
      case 'i64':
        out.u8(0x42)
        return out.s64(BigInt(value))
      case 'f32':
        out.u8(0x43)
        return out.f32(value)
      case 'f64':
        out.u8(0x44)
        return out.f64(value)
    }
  }

  /** A v128 literal with `value` in every lane. */
  splat(lanes: Lanes, value: number): void {
    const out = this.code
    out.u8(0xfd)
    out.u32(12)
    if (lanes === 'f64x2') for (let i = 0; i < 2; i++) out.f64(value)
    else if (lanes === 'f32x4') for (let i = 0; i < 4; i++) out.f32(value)
    else for (let i = 0; i < 16; i++) out.u8((value >>> (8 * (i & 3))) & 255)
  }

  /** A v128 literal of four 32-bit integers. */
  lanes(values: readonly number[]): void {
    this.code.u8(0xfd)
    this.code.u32(12)
    for (let i = 0; i < 16; i++) this.code.u8(((values[i >> 2] ?? 0) >>> (8 * (i & 3))) & 255)
  }

  /** A local holding a constant, set once before everything else. Don't assign to it. */
  constant(type: 'i32' | 'i64' | 'f32' | 'f64' | Lanes, value: number): Local {
    const key = constantKey(type, value)
    const known = this.constants.get(key)
    if (known !== undefined) return known
    const vector = type === 'f32x4' || type === 'i32x4' || type === 'f64x2'
    const local = this.local(vector ? 'v128' : type)
    this.prologue(() => {
      if (vector) this.splat(type, value)
      else this.const(type, value)
      this.set(local)
    })
    this.constants.set(key, local)
    return local
  }

  /** The same for four 32-bit integers. */
  constantLanes(values: readonly number[]): Local {
    const key = `lanes:${values}`
    const known = this.constants.get(key)
    if (known !== undefined) return known
    const local = this.local('v128')
    this.prologue(() => {
      this.lanes(values)
      this.set(local)
    })
    this.constants.set(key, local)
    return local
  }

  /** Emits `body` at the head of the function, after earlier prologues. */
  prologue(body: () => void): void {
    const [code, depth] = [this.code, this.depth]
    this.code = this.head
    this.depth = 0
    body()
    this.code = code
    this.depth = depth
  }

  push(value: Value): void {
    if (typeof value === 'number') this.const('i32', value)
    else if (typeof value === 'function') value()
    else this.get(value)
  }

  /** Bytes 0-15 come from the first operand, 16-31 from the second. */
  shuffle(bytes: readonly number[]): void {
    this.code.u8(0xfd)
    this.code.u32(13)
    for (let i = 0; i < 16; i++) this.code.u8(bytes[i] ?? 0)
  }
  /** The same by 32-bit lanes: 0-3 of the first operand, 4-7 of the second. */
  shuffle32(a: number, b: number, c: number, d: number): void {
    this.shuffle([a, b, c, d].flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]))
  }

  private structure(code: number, type: ValType | undefined, body: (label: Label) => void): void {
    this.code.u8(code)
    this.code.u8(type === undefined ? 0x40 : valCode[type])
    body({ depth: ++this.depth })
    this.depth--
    this.code.u8(0x0b)
  }
  /** A branch to its label leaves it. */
  block(body: (label: Label) => void, type?: ValType): void {
    this.structure(0x02, type, body)
  }
  /** A branch to its label starts it again. */
  loop(body: (label: Label) => void, type?: ValType): void {
    this.structure(0x03, type, body)
  }
  if(then: (label: Label) => void, otherwise?: (label: Label) => void, type?: ValType): void {
    this.structure(0x04, type, (label) => {
      then(label)
      if (otherwise === undefined) return
      this.code.u8(0x05)
      otherwise(label)
    })
  }
  br(label: Label): void {
    this.code.u8(0x0c)
    this.code.u32(this.depth - label.depth)
  }
  br_if(label: Label): void {
    this.code.u8(0x0d)
    this.code.u32(this.depth - label.depth)
  }
  return(): void {
    this.code.u8(0x0f)
  }
  drop(): void {
    this.code.u8(0x1a)
  }
  /** a, b, condition -> condition ? a : b. Not for v128 (use bitselect, or an `if` with a type). */
  select(): void {
    this.code.u8(0x1b)
  }
  /** to, from, bytes -> */
  memoryCopy(): void {
    for (const byte of [0xfc, 10, 0, 0]) this.code.u8(byte)
  }
  /** to, byte, count -> */
  memoryFill(): void {
    for (const byte of [0xfc, 11, 0]) this.code.u8(byte)
  }

  call(callee: FunctionHandle): void {
    this.code.u8(0x10)
    this.calls.push({ code: this.code, at: this.code.patchable(0), callee })
  }

  /** a, b, c -> a·b + c. */
  fma(lanes: 'f32x4' | 'f64x2'): void {
    if (this.module.relaxed) return this[lanes].relaxed_madd()
    const c = this.local('v128')
    this.set(c)
    this[lanes].mul()
    this.get(c)
    this[lanes].add()
  }

  /** while (condition) body */
  while(condition: () => void, body: () => void): void {
    this.block((out) =>
      this.loop((again) => {
        condition()
        this.i32.eqz()
        this.br_if(out)
        body()
        this.br(again)
      }),
    )
  }

  /**
   * for (i = from; i < to; i += step) body(i), compared as signed; the test is at the foot. `i` may be an existing local. `to` is evaluated at
   * each turn when it is code.
   */
  for(i: Local | 'i32', from: Value, to: Value, step: Value, body: (i: Local) => void): void {
    const index = i === 'i32' ? this.local('i32') : i
    this.push(from)
    this.tee(index)
    this.push(to)
    this.i32.lt_s()
    this.if(() =>
      this.loop((again) => {
        body(index)
        this.get(index)
        this.push(step)
        this.i32.add()
        this.tee(index)
        this.push(to)
        this.i32.lt_s()
        this.br_if(again)
      }),
    )
  }

  /** Resolves calls and appends the encoded body to `out`. */
  encode(out: Bytes): void {
    for (const { code, at, callee } of this.calls) {
      const end = code.length
      code.length = at
      code.patchable(this.module.functionIndex(callee))
      code.length = end
    }
    const header = new Bytes()
    const groups: [ValType, number][] = []
    for (const type of this.locals) {
      const last = groups.at(-1)
      if (last?.[0] === type) last[1]++
      else groups.push([type, 1])
    }
    header.u32(groups.length)
    for (const [type, count] of groups) {
      header.u32(count)
      header.u8(valCode[type])
    }
    out.u32(header.length + this.head.length + this.body.length + 1)
    out.append(header)
    out.append(this.head)
    out.append(this.body)
    out.u8(0x0b)
  }
}

export interface ModuleOptions {
  /** May emit relaxed SIMD. */
  readonly relaxed?: boolean
}

export class ModuleBuilder {
  readonly relaxed: boolean
  readonly functions: FunctionBuilder[] = []
  private readonly types: { readonly key: string; readonly params: readonly ValType[]; readonly results: readonly ValType[] }[] = []
  private readonly imports: FunctionHandle[] = []
  private readonly exports: { readonly name: string; readonly of: FunctionHandle }[] = []
  private readonly shareds = new Map<string, FunctionHandle>()
  private scratchBytes = 0

  constructor({ relaxed = false }: ModuleOptions = {}) {
    this.relaxed = relaxed
  }

  private typeIndex(params: readonly ValType[], results: readonly ValType[]): number {
    const key = `${params.join()}>${results.join()}`
    const known = this.types.findIndex((type) => type.key === key)
    return known >= 0 ? known : this.types.push({ key, params, results }) - 1
  }

  func(name: string, params: readonly ValType[], results: readonly ValType[] = []): FunctionBuilder {
    const f = new FunctionBuilder(this, name, this.functions.length, this.typeIndex(params, results), params)
    this.functions.push(f)
    return f
  }

  /** A function imported from 'm' under its own name, once. */
  importFunction(name: string, params: readonly ValType[], results: readonly ValType[] = []): FunctionHandle {
    return this.once(`import ${name}`, () => {
      const handle = { name, imported: true, order: this.imports.length, type: this.typeIndex(params, results) }
      this.imports.push(handle)
      return handle
    })
  }

  /** The function under `key`, made on first use: for helpers that several kernels call. */
  once(key: string, make: () => FunctionHandle): FunctionHandle {
    const known = this.shareds.get(key)
    if (known !== undefined) return known
    const made = make()
    this.shareds.set(key, made)
    return made
  }

  /**
   * Asks for `bytes` of scratch memory, 16-byte aligned, the same block for every kernel of the program (kernels run one after another); the
   * global holds its address. Contents don't survive the kernel's call.
   */
  scratch(bytes: number): Global {
    this.scratchBytes = Math.max(this.scratchBytes, bytes)
    return 0
  }

  /** What all kernels asked for, at most. */
  get scratchSize(): number {
    return this.scratchBytes
  }

  export(name: string, of: FunctionHandle): void {
    this.exports.push({ name, of })
  }

  functionIndex(handle: FunctionHandle): number {
    return handle.imported ? handle.order : this.imports.length + handle.order
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Bytes()
    out.bytes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
    const section = <T>(id: number, items: readonly T[], write: (item: T, to: Bytes) => void) => {
      if (items.length === 0) return
      const content = new Bytes()
      content.u32(items.length)
      for (const item of items) write(item, content)
      out.u8(id)
      out.u32(content.length)
      out.append(content)
    }
    const valTypes = (types: readonly ValType[], to: Bytes) => {
      to.u32(types.length)
      for (const type of types) to.u8(valCode[type])
    }
    section(1, this.types, ({ params, results }, to) => {
      to.u8(0x60)
      valTypes(params, to)
      valTypes(results, to)
    })
    section<FunctionHandle | null>(2, [null, ...this.imports], (handle, to) => {
      to.name('m')
      to.name(handle?.name ?? 'memory')
      to.u8(handle === null ? 2 : 0)
      if (handle !== null) return to.u32(handle.type)
      to.u8(0) // no maximum
      to.u32(0)
    })
    section(3, this.functions, (f, to) => to.u32(f.type))
    section(6, [this.scratchBytes], (_, to) => to.bytes(Uint8Array.of(valCode.i32, 1, 0x41, 0, 0x0b)))
    section(7, this.exports, ({ name, of }, to) => {
      to.name(name)
      to.u8(0)
      to.u32(this.functionIndex(of))
    })
    section(10, this.functions, (f, to) => f.encode(to))
    return out.view().slice()
  }
}

let relaxedSimdKnown: boolean | undefined

/** Whether the engine takes relaxed SIMD (Node 20 doesn't, Node 24 does). */
export const relaxedSimd = (): boolean => {
  if (relaxedSimdKnown === undefined) {
    const f = new ModuleBuilder({ relaxed: true }).func('f', [], ['v128'])
    for (let i = 0; i < 3; i++) f.splat('f32x4', 0)
    f.fma('f32x4')
    relaxedSimdKnown = WebAssembly.validate(f.module.finish())
  }
  return relaxedSimdKnown
}
