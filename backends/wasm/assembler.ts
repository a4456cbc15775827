/**
 * A WebAssembly assembler: modules of functions written as expressions and statements.
 *
 *   const m = new ModuleBuilder()                       // imports memory 'm' 'memory'
 *   const f = m.func('scale', ['i32', 'i32', 'v128'])    // parameters; results as a third argument; f is also the callee handle
 *   const [ptr, end, by] = f.params
 *   f.for('i32', ptr, end, 16, (p) => {                  // p goes from ptr while p < end in steps of 16
 *     f.v128.store(p, f.f32x4.mul(f.v128.load(p), by))
 *   })
 *   m.export('scale', f)
 *   new WebAssembly.Instance(new WebAssembly.Module(m.finish()), { m: { memory } })
 *
 * - `f.<type>.<name in WAT>(operands…, immediate)` is an expression: code that leaves one value. A number among the operands is a constant of
 *   that type, in every lane. Operands left out are on the stack already. Stores are statements, as are `set`, `for`, `if` and the like.
 * - `f.push(x)` pushes a `Value`: a number (an i32), a Local, or an expression. `f.set(local, x)` evaluates it into a local.
 * - `f.constant(type, value)` is a local that holds a constant, set once at the head of the function: what loops should use.
 * - `f.block(body)`, `f.loop(body)` give `body` a Label for `f.br(label)`, `f.br_if(label)`; `f.if(then, otherwise?, type?)` pops a condition.
 * - `f.prologue(() => …)` emits at the head of the function, before what was emitted so far.
 * - `m.once(key, make)` makes a shared function on first use. `m.importFunction(name, params, results)` imports from 'm';
 *   imports may come at any time. `disassemble.ts` makes a readable listing of a function.
 */
import { list, s32, text, u32 } from './bytes.ts'
import { type Names, type OpType, opcodes, type Run } from './opcodes.ts'

export type ValType = 'i32' | 'i64' | 'f64' | 'v128'

const valCode: Readonly<Record<ValType, number>> = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b }

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

/** One value: an i32 literal, a local, or code that pushes it. */
export type Value = number | Local | (() => void)

/** Anything that can be called. `order` counts imports and defined functions apart. */
export interface FunctionHandle {
  readonly name: string
  readonly imported: boolean
  readonly order: number
  readonly type: number
}

/** Bytes, and functions whose numbers are known when all are. */
export type Code = (number | FunctionHandle)[]

/** The expressions of one type, and its stores. */
export type Ops<T extends OpType> = {
  readonly [N in Names<T>]: (...args: Value[]) => N extends `store${string}` ? void : () => void
}

const arrays = { i32x4: Int32Array, f32x4: Float32Array, f64x2: Float64Array }

/** What has literals; `i32x4`'s are those of v128 too. */
type LiteralType = 'i32' | 'f64' | keyof typeof arrays

/** A class with a method for each instruction of a type, so that a function builder costs ten small objects. */
const opsClass = <T extends OpType>(type: T): new (f: FunctionBuilder) => Ops<T> => {
  class Expressions {
    readonly f: FunctionBuilder
    constructor(f: FunctionBuilder) {
      this.f = f
    }
  }
  const literal = type === 'v128' ? 'i32x4' : (type as LiteralType)
  for (const { prefix, base, names, immediate, operands } of opcodes[type] as readonly Run[])
    names.split(' ').forEach((name, i) => {
      const shift = name.startsWith('sh')
      const value = function ({ f }: Expressions, args: readonly Value[]): void {
        for (let k = 0; k < args.length && k < operands; k++) {
          const arg = args[k] as Value
          if (typeof arg !== 'number' || (shift && k > 0))
            f.push(arg) // a shift's count is an i32 for any type
          else if (literal in arrays) f.get(f.constant(literal, arg))
          else f.literal(literal, arg)
        }
        f.op(prefix, base + i, immediate, args[operands] as number | undefined)
      }
      if (name === '_') return
      Object.defineProperty(Expressions.prototype, name, {
        value(this: Expressions, ...args: Value[]) {
          return name.startsWith('store') ? value(this, args) : () => value(this, args)
        },
      })
    })
  return Expressions as unknown as new (f: FunctionBuilder) => Ops<T>
}

const classes = Object.fromEntries(Object.keys(opcodes).map((type) => [type, opsClass(type as OpType)])) as unknown as {
  readonly [T in OpType]: new (f: FunctionBuilder) => Ops<T>
}

export class FunctionBuilder implements FunctionHandle {
  readonly module: ModuleBuilder
  readonly name: string
  readonly imported = false
  readonly order: number
  readonly type: number
  readonly params: readonly Local[]
  readonly i32 = new classes.i32(this)
  readonly i64 = new classes.i64(this)
  readonly f32 = new classes.f32(this)
  readonly f64 = new classes.f64(this)
  readonly v128 = new classes.v128(this)
  readonly i8x16 = new classes.i8x16(this)
  readonly i32x4 = new classes.i32x4(this)
  readonly i64x2 = new classes.i64x2(this)
  readonly f32x4 = new classes.f32x4(this)
  readonly f64x2 = new classes.f64x2(this)
  /** Types of what follows the parameters. */
  readonly locals: ValType[] = []
  readonly head: Code = []
  readonly body: Code = []
  private code = this.body
  private depth = 0
  private readonly constants = new Map<string, Local>()

  constructor(module: ModuleBuilder, name: string, order: number, type: number, params: readonly ValType[]) {
    this.module = module
    this.name = name
    this.order = order
    this.type = type
    this.params = params.map((type, index) => ({ type, index }))
  }

  /** The i-th parameter. */
  param(i: number): Local {
    return this.params[i] as Local
  }

  /** A new local, zero at entry. */
  local(type: ValType): Local {
    this.locals.push(type)
    return { type, index: this.params.length + this.locals.length - 1 }
  }

  op(prefix: number, code: number, immediate: Run['immediate'], x = 0): void {
    if (prefix === 0) this.code.push(code)
    else this.code.push(prefix, ...u32(code))
    if (immediate.startsWith('memory')) this.code.push(0, ...u32(immediate === 'memory' ? x : 0))
    if (immediate.endsWith('ane')) this.code.push(x)
  }

  /** An instruction followed by a number. */
  private numbered(code: number, number: number): void {
    this.code.push(code)
    if (number < 128) this.code.push(number)
    else this.code.push(...u32(number))
  }

  get(local: Local): void {
    this.numbered(0x20, local.index)
  }
  /** Evaluates a value, else pops one, into a local. */
  set(local: Local, value?: Value): void {
    if (value !== undefined) this.push(value)
    this.numbered(0x21, local.index)
  }
  /** The same into a new local. */
  hold(type: ValType, value?: Value): Local {
    const local = this.local(type)
    this.set(local, value)
    return local
  }
  tee(local: Local): void {
    this.numbered(0x22, local.index)
  }
  getGlobal(global: Global): void {
    this.numbered(0x23, global)
  }
  setGlobal(global: Global): void {
    this.numbered(0x24, global)
  }

  /** Of a vector: `values` over and over. */
  literal(type: LiteralType, ...values: readonly number[]): void {
    if (type === 'i32') return void this.code.push(0x41, ...s32((values[0] as number) | 0))
    const bytes = new ArrayBuffer(type === 'f64' ? 8 : 16)
    const lanes = new arrays[type === 'f64' ? 'f64x2' : type](bytes)
    for (let i = 0; i < lanes.length; i++) lanes[i] = values[i % values.length] as number
    this.code.push(...(type === 'f64' ? [0x44] : [0xfd, 12]), ...new Uint8Array(bytes))
  }

  /** A local holding a constant, set once before everything else. Don't assign to it. */
  constant(type: LiteralType, ...values: readonly number[]): Local {
    const key = `${type} ${values.map((value) => (Object.is(value, -0) ? '-0' : value))}`
    const known = this.constants.get(key)
    if (known !== undefined) return known
    const local = this.local(type in arrays ? 'v128' : (type as ValType))
    this.prologue(() => {
      this.literal(type, ...values)
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

  push(...values: readonly Value[]): void {
    for (const value of values)
      if (typeof value === 'number') this.literal('i32', value)
      else if (typeof value === 'function') value()
      else this.get(value)
  }

  /** By 32-bit lanes: 0-3 of the first operand, 4-7 of the second. */
  shuffle32(...lanes: readonly [number, number, number, number]): void {
    this.code.push(0xfd, 13, ...lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]))
  }

  private structure(code: number, type: ValType | undefined, body: (label: Label) => void): void {
    this.code.push(code, type === undefined ? 0x40 : valCode[type])
    body({ depth: ++this.depth })
    this.depth--
    this.code.push(0x0b)
  }
  /** A branch to its label leaves it. */
  block(body: (label: Label) => void): void {
    this.structure(0x02, undefined, body)
  }
  /** A branch to its label starts it again. */
  loop(body: (label: Label) => void): void {
    this.structure(0x03, undefined, body)
  }
  if(then: () => void, otherwise?: () => void, type?: ValType): void {
    this.structure(0x04, type, () => {
      then()
      if (otherwise === undefined) return
      this.code.push(0x05)
      otherwise()
    })
  }
  br(label: Label): void {
    this.numbered(0x0c, this.depth - label.depth)
  }
  br_if(label: Label): void {
    this.numbered(0x0d, this.depth - label.depth)
  }
  /** condition ? x : y. Not for v128 (use bitselect, or an `if` with a type). */
  select(x: Value, y: Value, condition: Value): () => void {
    return () => {
      this.push(x, y, condition)
      this.code.push(0x1b)
    }
  }
  memoryCopy(to: Value, from: Value, bytes: Value): void {
    this.push(to, from, bytes)
    this.code.push(0xfc, 10, 0, 0)
  }
  memoryFill(to: Value, byte: Value, bytes: Value): void {
    this.push(to, byte, bytes)
    this.code.push(0xfc, 11, 0)
  }

  call(callee: FunctionHandle, ...values: readonly Value[]): void {
    this.push(...values)
    this.code.push(0x10, callee)
  }

  /** while (condition) body */
  while(condition: Value, body: () => void): void {
    this.block((out) =>
      this.loop((again) => {
        this.push(this.i32.eqz(condition))
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
    const next = (value: Value): void => {
      this.push(value)
      this.tee(index)
      this.push(this.i32.lt_s(to))
    }
    next(from)
    this.if(() =>
      this.loop((again) => {
        body(index)
        next(this.i32.add(index, step))
        this.br_if(again)
      }),
    )
  }

  /** The function's bytes, once its callees have their numbers. */
  encode(): number[] {
    const bytes = list(this.locals, (type) => [1, valCode[type]])
    for (const code of [this.head, this.body])
      for (const item of code)
        if (typeof item === 'number') bytes.push(item)
        else bytes.push(...u32(this.module.functionIndex(item)))
    bytes.push(0x0b)
    return u32(bytes.length).concat(bytes)
  }
}

export interface ModuleOptions {
  /** May emit relaxed SIMD. */
  readonly relaxed?: boolean
}

export class ModuleBuilder {
  readonly relaxed: boolean
  readonly functions: FunctionBuilder[] = []
  private readonly types: string[] = []
  private readonly imports: FunctionHandle[] = []
  private readonly exports: { readonly name: string; readonly of: FunctionHandle }[] = []
  private readonly shareds = new Map<string, FunctionHandle>()
  /** What all kernels asked for, at most. */
  scratchSize = 0

  constructor({ relaxed = false }: ModuleOptions = {}) {
    this.relaxed = relaxed
  }

  /** Types are kept as text: their bytes. */
  private typeIndex(params: readonly ValType[], results: readonly ValType[]): number {
    const key = [0x60, ...[params, results].flatMap((types) => list(types, (type) => [valCode[type]]))].join()
    const known = this.types.indexOf(key)
    return known >= 0 ? known : this.types.push(key) - 1
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
    const made = this.shareds.get(key) ?? make()
    this.shareds.set(key, made)
    return made
  }

  /**
   * Asks for `bytes` of scratch memory, 16-byte aligned, the same block for every kernel of the program (kernels run one after another); the
   * global holds its address. Contents don't survive the kernel's call.
   */
  scratch(bytes: number): Global {
    this.scratchSize = Math.max(this.scratchSize, bytes)
    return 0
  }

  export(name: string, of: FunctionHandle): void {
    this.exports.push({ name, of })
  }

  functionIndex(handle: FunctionHandle): number {
    return handle.imported ? handle.order : this.imports.length + handle.order
  }

  finish(): Uint8Array<ArrayBuffer> {
    const section = <T>(id: number, items: readonly T[], encode: (item: T) => readonly number[]): number[] => {
      const content = list(items, encode)
      return [id].concat(u32(content.length), content)
    }
    const memory = [2, 0, 0] // with no least or greatest size
    const global = [valCode.i32, 1, 0x41, 0, 0x0b]
    return new Uint8Array(
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].concat(
        section(1, this.types, (type) => type.split(',').map(Number)),
        section(2, [null, ...this.imports], (f) => text('m').concat(text(f?.name ?? 'memory'), f === null ? memory : [0, ...u32(f.type)])),
        section(3, this.functions, (f) => u32(f.type)),
        section(6, [global], (bytes) => bytes),
        section(7, this.exports, ({ name, of }) => text(name).concat(0, u32(this.functionIndex(of)))),
        section(10, this.functions, (f) => f.encode()),
      ),
    )
  }
}

let relaxedSimdKnown: boolean | undefined

/** Whether the engine takes relaxed SIMD (Node 20 doesn't, Node 24 does). */
export const relaxedSimd = (): boolean => {
  if (relaxedSimdKnown === undefined) {
    const f = new ModuleBuilder().func('f', [], ['v128'])
    f.push(f.f32x4.relaxed_madd(0, 0, 0))
    relaxedSimdKnown = WebAssembly.validate(f.module.finish())
  }
  return relaxedSimdKnown
}
