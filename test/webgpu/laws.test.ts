/** Every primitive, and generated programs, on WebGPU: what the reference gives. A GPU may take denormal numbers for zeros. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createWebgpu, openWebgpu } from '../../backends/webgpu/index.ts'
import { ConcreteArray } from '../../src/core/array.ts'
import type { Backend } from '../../src/core/backend.ts'
import { type HalfFloat, isFloat } from '../../src/core/dtype.ts'
import type { Jaxpr } from '../../src/core/jaxpr.ts'
import { type OpName, ulpsOf, traitsOf } from '../../src/core/ops.ts'
import { arbitrary, type Choices, longSizes, type Sizes, type Value } from '../../src/testing/choices.ts'
import type { Generator } from '../../src/testing/generator.ts'
import { exactOps, generators, opNames } from '../../src/testing/generators.ts'
import { callJaxpr, drawProgram, type Program, programSizes, viewSizes } from '../../src/testing/programs.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { runtime } from '../../src/core/runtime.ts'
import { tries } from '../effort.ts'
import { difference, variants } from '../backends/noise.ts'
import { agree, bound, largest, magnitudes, run, same, type Scales, shown, upload } from '../laws/harness.ts'
import { asHalf, halvable, halved, HALVES } from '../laws/halves.ts'
import { describeOnDevice, nullDevices, validate } from './gpu.ts'
import { carriedBy, noisy } from './quotients.ts'

describeOnDevice('laws on WebGPU', async () => {
  const backend = (await openWebgpu()) as Backend
  const engine = new ProgramEngine({ ...runtime, backend: () => backend })

  const held = (jaxpr: Jaxpr): boolean =>
    [...jaxpr.inputs, ...jaxpr.eqns.flatMap((eqn) => [...eqn.inputs, ...eqn.outs])].every((a) => a.aval.dtype !== 'float64') &&
    jaxpr.eqns.every(({ op }) => carriedBy(op).every(held))
  const others = (await nullDevices()).map((device) => createWebgpu(device) as Backend)
  const sound = new Set<string>()
  /** The texts for other adapters are sound too. */
  const validated = async (jaxpr: Jaxpr, fuse: boolean): Promise<void> => {
    const { program } = engine.lower(bound(jaxpr), new Set(), fuse)
    for (const text of others.flatMap((other) => other.compile(program).source())) {
      if (!sound.has(text)) expect(await validate(text)).toBeNull()
      sound.add(text)
    }
  }
  const values = async (jaxpr: Jaxpr, inputs: readonly Value[], fuse = true): Promise<Value[]> => {
    await validated(jaxpr, fuse)
    const before = backend.bytesInUse()
    const args = inputs.map((x) => upload(backend, x))
    const of = bound(jaxpr)
    const outs = fuse
      ? engine.execute(of, args)
      : backend
          .compile(engine.lower(of, new Set(), fuse).program)
          .run(args.map((x) => x.storage()))
          .map((storage, i) => new ConcreteArray(of.outs[i]!.aval, storage, backend))
    const read = await Promise.all(outs.map(async (x) => ({ aval: x.aval, data: Array.from(await x.read()) })))
    for (const x of [...args, ...outs]) x.dispose()
    expect(backend.bytesInUse()).toBe(before)
    return read
  }
  const LEAST = 2 ** -126
  /** What is flushed on the way may be missing: two ulps of 2^-104. */
  const atLeast = (xs: readonly Value[]): Value[] => xs.map((x) => ({ ...x, data: x.data.map(() => 2 ** 22 * LEAST) }))
  const flushed = (xs: readonly Value[]): Value[] =>
    xs.map((x) => (isFloat(x.aval.dtype) ? { ...x, data: x.data.map((v) => (Math.abs(v) < LEAST ? 0 : v)) } : x))

  const law = <T extends Program>(
    name: string,
    runs: number,
    make: (c: Choices) => T,
    check: (drawn: T) => Promise<void>,
    sizes?: Sizes,
  ): void => {
    const drawn = arbitrary(make, sizes).map((d) => Object.defineProperty(d, fc.toStringMethod, { value: () => shown(d.jaxpr, d.inputs) }))
    const property = fc.asyncProperty(drawn, async (d) => {
      if (held(d.jaxpr)) await check(d)
    })
    test(name, () => fc.assert(property, { numRuns: tries(runs) }))
  }

  for (const name of opNames) {
    const { any, meaning } = generators[name] as Generator<OpName>
    const { rounding } = traitsOf(name)
    if (meaning !== null) continue
    const program = (c: Choices): Program => {
      const drawn = any(c)
      return { jaxpr: callJaxpr(name, drawn), inputs: drawn.inputs }
    }
    const alike = async ({ jaxpr, inputs: drawn }: Program): Promise<void> => {
      const inputs = flushed(drawn)
      const expected = run('reference', jaxpr, inputs)
      const scale: Scales = rounding === 'terms' ? magnitudes : rounding === 'largest' ? largest : () => atLeast(expected)
      const scales = scale(inputs, expected, jaxpr)
      const got = await values(jaxpr, inputs)
      agree(same(flushed(got), flushed(expected), ulpsOf(name, 'webgpu'), scales), jaxpr, inputs)
    }
    law(`${name} gives what reference gives`, 6, program, alike)
    law(`${name}, along longer axes`, 2, program, alike, longSizes)
  }

  for (const name of halvable) {
    const draw = (c: Choices): Program & { readonly wide: Program; readonly half: HalfFloat } => {
      const half = c.pick(HALVES)
      return { ...halved(name, half, c), half }
    }
    law(`${name} of 16-bit floats is float32's, rounded`, 4, draw, async ({ jaxpr, inputs, wide, half }) => {
      const want = asHalf(half, await values(wide.jaxpr, flushed(wide.inputs)))
      agree(same(flushed(await values(jaxpr, flushed(inputs))), flushed(want)), jaxpr, inputs)
    })
  }

  /** What the reference gives, or what noise in quotients and roots makes of it. */
  const asOne =
    (fuse: boolean) =>
    async ({ jaxpr, inputs }: Program): Promise<void> => {
      const expected = flushed(run('reference', jaxpr, inputs))
      const noise = Array.from({ length: variants }, (_, v) => noisy(jaxpr, v)).filter((other) => other !== jaxpr)
      const others = noise.map((other) => flushed(run('reference', other, inputs)))
      const got = flushed(await values(jaxpr, inputs, fuse))
      for (const [k, { aval, data }] of expected.entries()) {
        expect(got[k]!.data.length).toBe(data.length)
        agree(difference(got[k]!.data, data, others.map((other) => other[k]!.data), aval.dtype), jaxpr, inputs) // prettier-ignore
      }
    }
  const exact: readonly OpName[] = [...exactOps, 'jit', 'scan', 'while', 'cond']
  law('a program of exact operations', 45, (c) => drawProgram(c, generators, { ops: exact, steps: 8 }), asOne(true), programSizes)
  law('not fused', 12, (c) => drawProgram(c, generators, { ops: exact, steps: 4 }), asOne(false), viewSizes)
})
