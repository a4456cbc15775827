/** What laws share: both devices, running a jaxpr on values, and how many times a law is tried. */
import * as O from '#fp-ts/Option.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { rules } from '../../primitives/index.ts'
import { ConcreteArray, type NdArray } from '../../src/core/array.ts'
import { eqShape, rowMajor, showAval, sizeOf, physical } from '../../src/core/aval.ts'
import type { Backend } from '../../src/core/backend.ts'
import { isFloat, isHalf, typedArrayOf } from '../../src/core/dtype.ts'
import { toBits } from '../../src/core/half.ts'
import { type Atom, type Jaxpr, variable } from '../../src/core/jaxpr.ts'
import { lit, mul, range, reduceSum, reshape, slice } from '../../src/core/constructors.ts'
import { printJaxpr } from '../../src/core/print.ts'
import type { BatchDim, Traced } from '../../src/core/rules.ts'
import { runtime } from '../../src/core/runtime.ts'
import { evalJaxpr, trace } from '../../src/core/trace.ts'
import { type Choices, type Sizes, arbitrary, type Value } from '../../src/testing/choices.ts'
import type { Program } from '../../src/testing/programs.ts'
import { makeTransforms } from '../../transforms/transforms.ts'
import { tries, nightly } from '../effort.ts'
import { ulps } from './compare.ts'
import { ProgramEngine } from '../../transforms/engine.ts'

import '../../src/runtime.ts'

export const transforms = makeTransforms(rules)
const oneOf = (make: () => unknown): (() => Backend) => {
  const backend = make() as Backend
  return () => backend
}
export const devices = { reference: oneOf(reference), wasm: runtime.device.current }
export const engines = {
  reference: new ProgramEngine({ rules, transforms, backend: devices.reference }),
  wasm: new ProgramEngine({ rules, transforms, backend: devices.wasm }),
}
export type Device = keyof typeof engines

export const upload = (backend: Backend, { aval, data }: Value): ConcreteArray =>
  new ConcreteArray(
    aval,
    backend.upload(aval.dtype, isHalf(aval.dtype) ? toBits(data, aval.dtype) : typedArrayOf(aval.dtype).from(data)),
    backend,
  )

export const read = (x: ConcreteArray): Value => ({ aval: x.aval, data: Array.from(x.dataSync()) })

/** A transformed jaxpr that closed over nothing: what the generated programs give. */
export const closed = ({ jaxpr, captures }: Traced): Jaxpr => {
  expect(captures).toEqual([])
  return jaxpr
}

/** Uploads, runs, reads and frees; nothing stays allocated. */
const withArrays = (device: Device, inputs: readonly Value[], f: (args: readonly ConcreteArray[]) => readonly ConcreteArray[]): Value[] => {
  const backend = devices[device]()
  const before = backend.bytesInUse()
  const args = inputs.map((x) => upload(backend, x))
  const outs = f(args)
  const values = outs.map(read)
  for (const x of [...args, ...outs]) x.dispose()
  expect(backend.bytesInUse()).toBe(before)
  return values
}

/** Runs a jaxpr as one program. */
export const run = (device: Device, jaxpr: Jaxpr, inputs: readonly Value[]): Value[] =>
  withArrays(device, inputs, (args) => engines[device].execute(bound(jaxpr), args))

/** What speaks of a mapped axis is the last of three examples along it; of float64, in which derivatives are compared, the sum of all three. */
export const bound = (jaxpr: Jaxpr): Jaxpr => {
  const axis = jaxpr.eqns.map(({ op }) => ('axisName' in op.params ? op.params.axisName : null)).find((name) => name !== null)
  return axis === undefined ? jaxpr : underAxis(jaxpr, axis)
}
const underAxis = (jaxpr: Jaxpr, axisName: string): Jaxpr => {
  const none = jaxpr.inputs.map((): BatchDim => O.none)
  const wide = transforms.overAxis(axisName).batch(jaxpr, 3, none)
  const last = (y: NdArray, dim: BatchDim): NdArray => {
    if (O.isNone(dim)) return y.dtype === 'float64' ? mul(y, lit(y, 3)) : y
    if (y.dtype === 'float64') return reduceSum(y, [dim.value])
    const at = y.shape.map((_, d) => (d === dim.value ? 2 : 0))
    return reshape(
      slice(y, at, y.shape),
      y.shape.filter((_, d) => d !== dim.value),
    )
  }
  return trace(
    jaxpr.inputs.map((v) => v.aval),
    (xs) => evalJaxpr(closed(wide), xs).map((y, i) => last(y, wide.dims[i]!)),
    'law',
  ).jaxpr
}

/** Runs a jaxpr as one program that isn't fused. */
export const runUnfused = (device: Device, jaxpr: Jaxpr, inputs: readonly Value[]): Value[] =>
  withArrays(device, inputs, (args) => {
    const { program } = engines[device].lower(jaxpr, new Set(), false)
    const outs = devices[device]()
      .compile(program)
      .run(args.map((x) => x.storage()))
    return outs.map((storage, i) => new ConcreteArray(jaxpr.outs[i]!.aval, storage, devices[device]()))
  })

/** Runs a jaxpr whose donated arguments lend their memory to its results. */
export const runDonating = (device: Device, jaxpr: Jaxpr, inputs: readonly Value[], donated: ReadonlySet<number>): Value[] =>
  withArrays(device, inputs, (args) => engines[device].run(engines[device].compile(jaxpr, donated), args))

/** Runs each equation by itself: no pass, no fusion. */
export const runEqnByEqn = (device: Device, jaxpr: Jaxpr, inputs: readonly Value[]): Value[] => {
  const env = new Map<Atom, Value>(jaxpr.inputs.map((v, i) => [v, inputs[i]!]))
  const valueOf = (a: Atom): Value => (a.kind === 'lit' ? { aval: a.aval, data: [a.value] } : env.get(a)!)
  for (const eqn of jaxpr.eqns) {
    const vars = eqn.inputs.map((a) => variable(a.aval))
    const outs = run(device, { inputs: vars, eqns: [{ ...eqn, inputs: vars }], outs: eqn.outs }, eqn.inputs.map(valueOf))
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return jaxpr.outs.map(valueOf)
}

/** Holds what `check` says of whatever `make` draws; a failure shows the program that was drawn. */
export const law = <T extends Program>(
  name: string,
  runs: number,
  make: (c: Choices) => T,
  check: (drawn: T) => void,
  sizes?: Sizes,
  /** So many at night. */
  atNight = tries(runs),
): void => {
  const drawn = arbitrary(make, sizes).map((d) => Object.defineProperty(d, fc.toStringMethod, { value: () => shown(d.jaxpr, d.inputs) }))
  test(name, () => {
    fc.assert(fc.property(drawn, check), { numRuns: nightly ? atNight : tries(runs) })
  })
}

export const shown = (jaxpr: Jaxpr, inputs: readonly Value[]): string =>
  `${printJaxpr(jaxpr)}\n${inputs.map((x) => `${showAval(x.aval)} ${show(x.data)}`).join('\n')}`
const show = (data: readonly number[]): string => `[${data.map((x) => (Object.is(x, -0) ? '-0' : String(x))).join(', ')}]`

/** Fails with the difference and the program where it was found, so that a report needs nothing else. */
export const agree = (problem: string | null, jaxpr: Jaxpr, inputs: readonly Value[]): void => {
  if (problem !== null) expect.fail(`${problem}\n${shown(jaxpr, inputs)}`)
}

/**
 * The first difference between results, in words: more than `ulp` of the last place of each element, or of `scales` where that is greater.
 * What overflows float32 on the way to a sum is as good as any.
 */
export const same = (got: readonly Value[], expected: readonly Value[], ulp = 0, scales: readonly Value[] = []): string | null => {
  if (got.length !== expected.length) return `${got.length} results against ${expected.length}`
  for (let k = 0; k < got.length; k++) {
    const [x, y] = [got[k]!, expected[k]!]
    const { dtype } = x.aval
    if (dtype !== y.aval.dtype || !eqShape(x.aval.shape, y.aval.shape))
      return `result ${k} is ${showAval(x.aval)}, expected ${showAval(y.aval)}`
    if (x.data.length !== y.data.length) return `result ${k} has ${x.data.length} elements, expected ${y.data.length}`
    for (let i = 0; i < x.data.length; i++) {
      const scale = scales[k]?.data[i] ?? 0
      if (scale > 1e38 && dtype === 'float32') continue
      const off = ulps(x.data[i]!, y.data[i]!, dtype, scale)
      if (!(off <= ulp)) return `result ${k}[${i}]: ${x.data[i]}, expected ${y.data[i]}: ${off} ulp, and ${ulp} are allowed`
    }
  }
  return null
}

/** Within a millionth; what overflowed or left a domain has no size to compare at. */
export const near = (got: readonly Value[], expected: readonly Value[]): string | null => {
  if (got.length !== expected.length) return `${got.length} results against ${expected.length}`
  for (let k = 0; k < got.length; k++) {
    const [x, y] = [got[k]!.data, expected[k]!.data]
    if (x.length !== y.length) return `result ${k}: ${x.length} elements against ${y.length}`
    const scale = Math.max(1, ...y.map(Math.abs).filter(Number.isFinite))
    const at = x.findIndex((v, i) => Number.isFinite(v) && Number.isFinite(y[i]!) && Math.abs(v - y[i]!) > 1e-6 * scale)
    if (at >= 0) return `result ${k}[${at}]: ${x[at]}, expected ${y[at]}`
  }
  return null
}

/** What the rounding of each element of each result is measured against. */
export type Scales = (inputs: readonly Value[], results: readonly Value[], jaxpr: Jaxpr) => readonly Value[]
/** The largest finite number among inputs and results. */
export const largest: Scales = (inputs, results) => {
  const most = [...inputs, ...results].flatMap(({ data }) => data).reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0)
  return results.map((y) => ({ ...y, data: y.data.map(() => most) }))
}

/** Σ|finite terms|, of a jaxpr that sums. */
export const magnitudes: Scales = (inputs, _results, jaxpr) =>
  run(
    'reference',
    jaxpr,
    inputs.map((x) => (isFloat(x.aval.dtype) ? { ...x, data: x.data.map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)) } : x)),
  )

// Batching ----------------------------------------------------------------------------------------------------------------------

/** Element `at` of the axis `dim`. */
const exampleOf = ({ aval: a, data }: Value, dim: number, at: number): Value => {
  const whole = physical(a).shape
  const shape = whole.filter((_, d) => d !== dim)
  const [from, to] = [rowMajor(whole), rowMajor(shape)]
  const out = range(sizeOf(shape)).map((i) => {
    let rest = i
    let place = at * from[dim]!
    to.forEach((stride, d) => {
      place += Math.floor(rest / stride) * from[d < dim ? d : d + 1]!
      rest %= stride
    })
    return data[place]!
  })
  return { aval: { ...a, shape: a.shape.filter((_, d) => d !== dim) }, data: out }
}

export interface Batch extends Program {
  /** Of one example; the inputs have one more axis where `dims` says. */
  readonly one: Jaxpr
  readonly size: number
  readonly dims: readonly BatchDim[]
}

/** A program batched over some of its inputs, at any of their axes, with elements from its own inputs and from `pool`. */
export const batchOf = (c: Choices, { jaxpr, inputs }: Program, pool: readonly Value[] = []): Batch => {
  // An operand that is finite stays so: attention's are.
  const from = ({ aval, data }: Value): readonly number[] => {
    const known = [...inputs, ...pool].flatMap((x) => (x.aval.dtype === aval.dtype ? x.data : []))
    return data.length > 0 && data.every(Number.isFinite) ? known.filter(Number.isFinite) : known
  }
  const size = c.pick([2, 3, 1, 0])
  const chosen = inputs.length === 0 ? [] : c.some(inputs.length, c.between(1, inputs.length))
  const dims = inputs.map((x, i): BatchDim => (chosen.includes(i) ? O.some(c.below(x.aval.shape.length + 1)) : O.none))
  const wide = inputs.map((x, i) => {
    const dim = dims[i]!
    if (O.isNone(dim)) return x
    const { shape, dtype, weak } = x.aval
    const elements = from(x)
    const { aval, data } = c.value([...shape.slice(0, dim.value), size, ...shape.slice(dim.value)], dtype, () =>
      elements.length > 0 ? c.pick(elements) : c.element(dtype),
    )
    return { aval: { ...aval, weak }, data }
  })
  return { jaxpr: closed(transforms.batch(jaxpr, size, dims)), inputs: wide, one: jaxpr, size, dims }
}

/** The batched program gives what the program gives for each example, within `ulp` of `scales`. */
export const sameAsLoop = ({ one, inputs, size, dims }: Batch, ulp = 0, scales: Scales = largest): void => {
  const wide = transforms.batch(one, size, dims)
  const results = run('reference', wide.jaxpr, inputs)
  results.forEach((y, k) => {
    const dim = wide.dims[k]!
    const { aval } = one.outs[k]!
    const shape = O.isNone(dim) ? aval.shape : [...aval.shape.slice(0, dim.value), size, ...aval.shape.slice(dim.value)]
    expect({ ...y.aval, weak: false }).toEqual({ ...aval, weak: false, shape })
  })
  const at = (xs: readonly Value[], where: readonly BatchDim[], i: number): Value[] =>
    xs.map((x, k) => {
      const dim = where[k]!
      return O.isNone(dim) ? x : exampleOf(x, dim.value, i)
    })
  for (let i = 0; i < size; i++) {
    const own = at(inputs, dims, i)
    const [mine, loop] = [at(results, wide.dims, i), run('reference', one, own)]
    agree(same(mine, loop, ulp, ulp > 0 ? scales(own, loop, one) : []), wide.jaxpr, inputs)
  }
}
