/**
 * Tracing: one kind of tracer, one builder, a stack of running traces. `bind` stages an operation on the innermost trace, or
 * runs it when there is none.
 */
import { type Either, isLeft } from '#fp-ts/Either.js'
import { ConcreteArray, INSPECT, NdArray } from './array.ts'
import { type Aval, eqAval, showAval, showAvals, sizeOf } from './aval.ts'
import { isHalf, type TypedArray, typedArrayOf } from './dtype.ts'
import { toBits } from './half.ts'
import { DTypeError, ShapeError, TracerError } from './errors.ts'
import { type Atom, type Effect, type Eqn, type Jaxpr, literal, type Var, variable } from './jaxpr.ts'
import type { Op, OpName, OpParams } from './ops.ts'
import type { Refusal, Rules, Traced } from './rules.ts'
import { runtime } from './runtime.ts'
import { placeOf } from './source.ts'

/**
 * How a trace treats values. `readable` (grad on concrete arrays): they may be read. `jit`: a JS number is baked in; in the others it is an
 * input, so that a new value compiles nothing, unless a jit runs around them.
 */
export type TraceKind = 'jit' | 'staged' | 'readable'

class Builder {
  live = true
  readonly eqns: Eqn[] = []
  readonly captures = new Map<NdArray, Tracer>()
  readonly values = new Map<Var, NdArray>()
  evaluated = 0
  readonly kind: TraceKind
  readonly what: string
  constructor(kind: TraceKind, what: string) {
    this.kind = kind
    this.what = what
  }

  atom(x: NdArray): Atom {
    if (x instanceof Tracer) {
      if (x.builder === this) return x.atom
      if (!x.builder.live) throw escaped(x)
    }
    let inside = this.captures.get(x)
    if (inside === undefined) {
      const v = variable(x.aval)
      inside = new Tracer(this, v)
      this.captures.set(x, inside)
      this.values.set(v, x)
    }
    return inside.atom
  }

  /** A jaxpr's equations as equations of this trace: of inputs with its own avals, so that nothing is inferred again. */
  splice({ inputs, eqns, outs }: Jaxpr, args: readonly NdArray[]): NdArray[] {
    const env = new Map<Atom, Atom>()
    const now = (a: Atom): Atom => env.get(a) ?? a
    inputs.forEach((v, i) => env.set(v, this.atom(args[i]!)))
    for (const eqn of eqns) {
      const inputs = eqn.inputs.map(now)
      const outs = eqn.outs.map((v) => variable(v.aval))
      eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
      this.eqns.push({ ...eqn, inputs, outs })
    }
    return outs.map((a) => new Tracer(this, now(a)))
  }

  /** Evaluates what was recorded since the last read, keeps it, and gives the value of `tracer`. */
  read(tracer: Tracer, what: string): ConcreteArray {
    if (tracer.atom.kind === 'lit') return scalarArray(tracer.atom.value, tracer.aval)
    if (!this.live) throw escaped(tracer, what)
    if (this.kind !== 'readable')
      throw new TracerError(
        `${what} needs the value of ${showAval(tracer.aval)}, which isn't known while ${this.what} is traced: use np.where, mark the argument with staticArgnums, or read outside`,
      )
    if (!this.values.has(tracer.atom)) {
      const eqns = this.eqns.slice(this.evaluated).filter(({ effects }) => effects.length === 0)
      const outs = eqns.flatMap((eqn) => eqn.outs)
      const inputs = [...new Set(eqns.flatMap((eqn) => eqn.inputs))].filter((a): a is Var => a.kind === 'var' && this.values.has(a))
      const args = inputs.map((v) => this.values.get(v)!.concrete(what))
      const results = runtime.engine.execute({ inputs, eqns, outs }, args)
      outs.forEach((v, i) => this.values.set(v, results[i]!))
      this.evaluated = this.eqns.length
    }
    return this.values.get(tracer.atom)!.concrete(what)
  }
}

export class Tracer extends NdArray {
  readonly builder: Builder
  readonly atom: Atom
  constructor(builder: Builder, atom: Atom) {
    super()
    this.builder = builder
    this.atom = atom
  }
  override get aval(): Aval {
    return this.atom.aval
  }
  override get deleted(): boolean {
    return !this.builder.live
  }
  override concrete(what: string): ConcreteArray {
    return this.builder.read(this, what)
  }
  override [INSPECT](): string {
    return `tracer ${showAval(this.aval)} of ${this.builder.what}`
  }
  override [Symbol.toPrimitive](): never {
    if (!this.builder.live) throw escaped(this)
    const { kind, what } = this.builder
    const choose = kind === 'readable' ? "x.item() for a scalar's value" : 'np.where to choose, or mark the argument with staticArgnums'
    throw new TracerError(
      `${showAval(this.aval)} was coerced to a JavaScript value while ${what} is traced: use np.* or methods for arithmetic, ${choose}`,
    )
  }
}

const madeAt = ({ builder, atom }: Tracer): string => {
  const eqn = builder.eqns.find(({ outs }) => outs.includes(atom as Var))
  return eqn === undefined ? '' : ` (made ${placeOf(eqn.source)})`
}
const escaped = (x: Tracer, what = ''): TracerError =>
  new TracerError(
    `${what && `${what}: `}a tracer ${showAval(x.aval)} of ${x.builder.what} was used after its trace ended: return it from the function instead${madeAt(x)}`,
  )

const stack: Builder[] = []
/** Where the user's code was that an equation being transformed comes from: what is made of it comes from there too. */
let origin: Error | null = null
/** The innermost frames are enough to find a line of the user's, and each costs. */
export const here = (frames = 7): Error => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = frames
  const source = new Error()
  Error.stackTraceLimit = limit
  return source
}
export const comesFrom = ({ source }: Eqn): void => void (origin = source)
export const tracing = (): boolean => stack.length > 0

/** A concrete scalar, uploaded. */
const scalarArray = (value: number, aval: Aval): ConcreteArray => upload(aval, [value])

/** An array of these numbers; for 16-bit floats a Uint16Array has their bits. */
export const upload = (a: Aval, data: ArrayLike<number>): ConcreteArray => placed(a, data, false)
/** The same of numbers that nobody else holds: a device that may keep them where they are doesn't copy them. */
export const adopt = (a: Aval, data: ArrayLike<number>): ConcreteArray => placed(a, data, true)
const placed = (a: Aval, data: ArrayLike<number>, own: boolean): ConcreteArray => {
  const backend = runtime.device.current()
  if (!backend.dtypes.includes(a.dtype))
    throw new DTypeError(`the device ${backend.name} can't hold ${showAval(a)}: it holds ${backend.dtypes.join(', ')}`)
  const typed = toTyped(a, data)
  const storage = own && backend.adopt !== undefined ? backend.adopt(a.dtype, typed) : backend.upload(a.dtype, typed)
  return new ConcreteArray(a, storage, backend)
}

const toTyped = ({ dtype }: Aval, data: ArrayLike<number>): TypedArray => {
  const Typed = typedArrayOf(dtype)
  return data instanceof Typed ? data : isHalf(dtype) ? toBits(data, dtype) : Typed.from(data)
}

/** A scalar that the program may bake in: a literal inside a trace, an upload outside. For rules and the library's own constants. */
export const constant = (value: number, aval: Aval): NdArray => {
  const builder = stack.at(-1)
  return builder === undefined ? scalarArray(value, aval) : new Tracer(builder, literal(value, aval))
}

/** A scalar that a user wrote: a literal under jit, and an input (so that a new value compiles nothing) everywhere else. */
export const userScalar = (value: number, aval: Aval): NdArray => {
  if (stack.some((b) => b.kind === 'jit')) return constant(value, aval)
  const made = scalarArray(value, aval)
  if (aval.weak) made.number = value
  return made
}
/** The number that a weak scalar is, taken at another type with nothing lost on the way; null for what isn't known to be one. */
export const numberAt = (x: NdArray, to: Aval): NdArray | null => {
  if (!x.aval.weak) return null
  if (x instanceof Tracer) return x.atom.kind === 'lit' ? constant(x.atom.value, to) : null
  const { number } = x as ConcreteArray
  return number === null || x.deleted ? null : userScalar(number, to)
}

/** The avals that an operation gives, by its rule. */
export const abstractEval = (op: Op, avals: readonly Aval[]): Either<Refusal, readonly Aval[]> =>
  (runtime.rules[op.name] as Rules<OpName>).abstractEval(avals, op.params)

const outAvals = (op: Op, inputs: readonly NdArray[]): readonly Aval[] => {
  const avals = inputs.map((x) => x.aval)
  const out = abstractEval(op, avals)
  if (isLeft(out)) {
    const text = `${op.name}(${showAvals(avals)}): ${out.left.reason}`
    throw out.left.kind === 'shape' ? new ShapeError(text) : new DTypeError(text)
  }
  for (const { shape } of out.right)
    if (sizeOf(shape) > Number.MAX_SAFE_INTEGER)
      throw new ShapeError(
        `${op.name}(${showAvals(avals)}): [${shape.join(',')}] has ${sizeOf(shape)} elements, more than there are whole numbers for`,
      )
  return out.right
}

export const bind = <K extends OpName>(
  name: K,
  params: OpParams[K],
  inputs: readonly NdArray[],
  effects: readonly Effect[] = [],
): NdArray[] => {
  const op = { name, params } as Op
  const avals = outAvals(op, inputs)
  const outs = avals.map(variable)
  const builder = stack.at(-1)
  if (builder !== undefined) {
    builder.eqns.push({ op, inputs: inputs.map((x) => builder.atom(x)), outs, effects, source: origin ?? here() })
    return outs.map((v) => new Tracer(builder, v))
  }
  const args = inputs.map((x) => x.concrete(name))
  const vars = args.map((x) => variable(x.aval))
  return runtime.engine.execute({ inputs: vars, eqns: [{ op, inputs: vars, outs, effects, source: null }], outs }, args)
}

/** Traces a flat function at its arguments' avals. `operands` are the values of the arguments, for traces that may read them. */
export const trace = (
  avals: readonly Aval[],
  f: (args: readonly NdArray[]) => readonly NdArray[],
  what: string,
  mode: { readonly kind: 'jit' | 'staged' } | { readonly kind: 'readable'; readonly operands: readonly NdArray[] } = { kind: 'staged' },
): Traced => {
  const builder = new Builder(mode.kind, what)
  const args = avals.map(variable)
  if (mode.kind === 'readable') mode.operands.forEach((x, i) => builder.values.set(args[i]!, x))
  stack.push(builder)
  const before = origin
  origin = null
  try {
    const outs = f(args.map((v) => new Tracer(builder, v))).map((x) => builder.atom(x))
    const captured = [...builder.captures]
    const inputs = [...captured.map(([, inside]) => inside.atom as Var), ...args]
    return { jaxpr: { inputs, eqns: builder.eqns, outs }, captures: captured.map(([x]) => x) }
  } finally {
    builder.live = false
    stack.pop()
    origin = before
  }
}

/** Replays a jaxpr's equations on arrays: stages them into the running trace, or runs them. */
export const evalJaxpr = (jaxpr: Jaxpr, args: readonly NdArray[]): NdArray[] => {
  const builder = stack.at(-1)
  if (builder !== undefined && jaxpr.inputs.every((v, i) => eqAval(v.aval, args[i]!.aval))) return builder.splice(jaxpr, args)
  const env = new Map<Var, NdArray>()
  const read = (atom: Atom): NdArray => (atom.kind === 'lit' ? constant(atom.value, atom.aval) : env.get(atom)!)
  jaxpr.inputs.forEach((v, i) => env.set(v, args[i]!))
  for (const eqn of jaxpr.eqns) {
    const outs = bind(eqn.op.name, eqn.op.params, eqn.inputs.map(read), eqn.effects)
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return jaxpr.outs.map(read)
}

/** Runs a jaxpr on arrays: as one program outside a trace, staged equation by equation inside one. */
export const applyJaxpr = (jaxpr: Jaxpr, args: readonly NdArray[], what: string): NdArray[] =>
  tracing()
    ? evalJaxpr(jaxpr, args)
    : runtime.engine.execute(
        jaxpr,
        args.map((x) => x.concrete(what)),
      )
