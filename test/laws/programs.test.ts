/** The laws of transforms, on generated programs. */
import { describe, expect } from 'vitest'
import { aval, sizeOf } from '../../src/core/aval.ts'
import { checkJaxpr } from '../../src/core/check.ts'
import { convertElementType, range, reduceSum } from '../../src/core/constructors.ts'
import { isFloat } from '../../src/core/dtype.ts'
import type { Jaxpr } from '../../src/core/jaxpr.ts'
import type { OpName } from '../../src/core/ops.ts'
import { parseJaxpr } from '../../src/core/parse.ts'
import { printJaxpr } from '../../src/core/print.ts'
import { evalJaxpr } from '../../src/core/trace.ts'
import { grad, hessian, jacfwd, jacrev, jit, type NdArray, np, vmap } from '../../src/index.ts'
import type { Choices, Value } from '../../src/testing/choices.ts'
import { exactOps, generators, opNames, smoothNames } from '../../src/testing/generators.ts'
import { drawProgram, type Program, programSizes, smoothSizes, viewSizes } from '../../src/testing/programs.ts'
import { inline } from '../../transforms/inline.ts'
import { linearizeJaxpr, vjpJaxpr } from '../../transforms/linearize.ts'
import { commonSubexpressions, deadCode } from '../../transforms/passes.ts'
import {
  agree,
  batchOf,
  closed,
  type Device,
  devices,
  engines,
  law,
  near,
  read,
  run,
  runDonating,
  runEqnByEqn,
  runUnfused,
  same,
  sameAsLoop,
  transforms,
  upload,
} from './harness.ts'

/** The checker accepts it, and its text reads back. */
const sound = (jaxpr: Jaxpr): void => {
  const text = printJaxpr(checkJaxpr(jaxpr))
  const back = parseJaxpr(text)
  expect(printJaxpr(checkJaxpr(back))).toBe(text)
}

const exactNames: readonly OpName[] = [...exactOps, 'jit', 'customJvp', 'customVjp', 'customVmap', 'scan', 'while', 'cond', 'checkpoint']
const lowered = opNames.filter((name) => generators[name].meaning === null && generators[name].axisName === null)
const anyProgram = (c: Choices): Program => drawProgram(c, generators, { ops: lowered, steps: 6 })
const exactProgram = (c: Choices): Program => drawProgram(c, generators, { ops: exactNames, steps: 8 })
/** Views upon views, of few dtypes: what index arithmetic has to follow. */
const views: readonly OpName[] = [
  'reshape',
  'transpose',
  'slice',
  'reshape',
  'transpose',
  'slice',
  'rev',
  'broadcastInDim',
  'concatenate',
  'pad',
  'reduceMax',
  'add',
  'gather',
]
const viewProgram = (c: Choices): Program => drawProgram(c, generators, { ops: views, steps: 9 })

describe('programs', () => {
  law(
    'passes keep the meaning',
    150,
    exactProgram,
    ({ jaxpr, inputs }) => {
      const plain = runEqnByEqn('reference', jaxpr, inputs)
      for (const pass of [
        deadCode,
        commonSubexpressions,
        (j: Jaxpr) => inline(j, false),
        (j: Jaxpr) => deadCode(commonSubexpressions(inline(j, true))),
      ]) {
        const passed = pass(jaxpr)
        sound(passed)
        agree(same(runEqnByEqn('reference', passed, inputs), plain), passed, inputs)
      }
    },
    programSizes,
  )

  const asOne =
    (device: Device) =>
    ({ jaxpr, inputs }: Program): void => {
      const plain = runEqnByEqn('reference', jaxpr, inputs)
      agree(same(run(device, jaxpr, inputs), plain), jaxpr, inputs)
      agree(same(runUnfused(device, jaxpr, inputs), plain), jaxpr, inputs)
    }
  for (const device of ['reference', 'wasm'] as const) {
    law(`one program is its equations one after another, fused or not: ${device}`, 150, exactProgram, asOne(device), programSizes)
    law(`the same where views stand upon views: ${device}`, 250, viewProgram, asOne(device), viewSizes)
  }

  const donating = (program: (c: Choices) => Program) => (c: Choices) => {
    const drawn = program(c)
    return { ...drawn, donated: new Set(c.some(drawn.inputs.length)) }
  }
  for (const device of ['reference', 'wasm'] as const)
    for (const [what, program, sizes] of [
      ['any operations', exactProgram, programSizes],
      ['views', viewProgram, viewSizes],
    ] as const)
      law(
        `donated memory changes no result, and none is lost: ${what} on ${device}`,
        150,
        donating(program),
        ({ jaxpr, inputs, donated }) =>
          agree(same(runDonating(device, jaxpr, inputs, donated), run('reference', jaxpr, inputs)), jaxpr, inputs),
        sizes,
      )

  law(
    'batching is the stacked loop',
    150,
    (c) => batchOf(c, exactProgram(c)),
    (drawn) => {
      sound(drawn.jaxpr)
      sameAsLoop(drawn)
    },
    programSizes,
  )

  law(
    'what transforms make is sound, and so is what lowering starts from',
    150,
    anyProgram,
    ({ jaxpr }) => {
      sound(jaxpr)
      const moving = jaxpr.inputs.map((v) => isFloat(v.aval.dtype))
      const floats = jaxpr.outs.map((v) => isFloat(v.aval.dtype))
      sound(closed(transforms.jvp(jaxpr, moving)))
      const { forward, linear, nonzero } = linearizeJaxpr(transforms, jaxpr, moving)
      sound(forward)
      sound(linear)
      expect(nonzero.every((there, i) => !there || floats[i])).toBe(true)
      sound(engines.reference.lower(jaxpr).jaxpr)
      if (jaxpr.eqns.some(({ op }) => generators[op.name].forwardOnly)) return
      const residuals = linear.inputs.length - moving.filter(Boolean).length
      sound(
        closed(
          transforms.transpose(
            linear,
            linear.inputs.map((_, i) => i >= residuals),
            linear.outs.map(() => true),
          ),
        ),
      )
      sound(closed(vjpJaxpr(transforms, jaxpr, moving, floats)))
    },
    programSizes,
  )
})

// Derivatives, in float64 ---------------------------------------------------------------------------------------------------------

const vector = (c: Choices, of: { readonly aval: Value['aval'] }): Value => ({
  aval: aval(of.aval.shape, of.aval.dtype),
  data: range(sizeOf(of.aval.shape)).map(() => c.smooth()),
})
interface Pushed extends Program {
  readonly moving: readonly boolean[]
  readonly tangents: readonly Value[]
  readonly cts: readonly Value[]
}
const smoothProgram = (c: Choices, ops = smoothNames): Program => drawProgram(c, generators, { ops, steps: 5, smooth: true })
const pushed = (c: Choices): Pushed => {
  const program = smoothProgram(c)
  const moving = program.inputs.map((x) => isFloat(x.aval.dtype) && !c.oneIn(4))
  return {
    ...program,
    moving,
    tangents: program.inputs.filter((_, i) => moving[i]).map((x) => vector(c, x)),
    cts: program.jaxpr.outs.map((x) => vector(c, x)),
  }
}

const dot = (xs: readonly Value[], ys: readonly Value[]): number =>
  xs.reduce((sum, x, k) => x.data.reduce((s, v, i) => s + v * ys[k]!.data[i]!, sum), 0)

describe('derivatives of programs', () => {
  law(
    'linearize is jvp, and vjp its transpose',
    200,
    pushed,
    ({ jaxpr, inputs, moving, tangents, cts }) => {
      const forward = transforms.jvp(jaxpr, moving)
      const direct = run('reference', forward.jaxpr, [...inputs, ...tangents])
      const count = jaxpr.outs.length
      const lin = linearizeJaxpr(transforms, jaxpr, moving)
      expect(lin.nonzero).toEqual(forward.nonzero)
      const values = run('reference', lin.forward, inputs)
      agree(near(values.slice(0, count), direct.slice(0, count)), lin.forward, inputs)
      const residuals = [...lin.inputs.map((i) => inputs[i]!), ...values.slice(count)]
      const dys = run('reference', lin.linear, [...residuals, ...tangents])
      agree(near(dys, direct.slice(count)), lin.linear, [...residuals, ...tangents])

      const seeds = cts.filter((_, i) => lin.nonzero[i])
      const back = transforms.transpose(
        lin.linear,
        lin.linear.inputs.map((_, i) => i >= residuals.length),
        seeds.map(() => true),
      )
      const pulled = run('reference', back.jaxpr, [...residuals, ...seeds])
      const there = tangents.filter((_, i) => back.present[i])
      const [left, right_] = [dot(dys, seeds), dot(there, pulled)]
      const scale = 1 + [...dys, ...pulled].reduce((m, x) => Math.max(m, ...x.data.map(Math.abs)), 0)
      const off = Number.isFinite(left) && Number.isFinite(right_) && Math.abs(left - right_) > 1e-6 * scale
      agree(off ? `⟨J t, ct⟩ is ${left}, ⟨t, Jᵀ ct⟩ is ${right_}` : null, back.jaxpr, [...residuals, ...seeds])

      // The whole of it as one jaxpr: [...outs, ...cotangents of what moves].
      const floats = jaxpr.outs.map((v) => isFloat(v.aval.dtype))
      const both = closed(vjpJaxpr(transforms, jaxpr, moving, floats))
      const grads = run('reference', both, [...inputs, ...cts.filter((_, i) => floats[i])]).slice(count)
      let next = 0
      const padded = grads.map((g, i) => (back.present[i] ? pulled[next++]! : { ...g, data: g.data.map(() => 0) }))
      agree(near(grads, padded), both, inputs)
    },
    smoothSizes,
  )

  law(
    'what reverse mode makes is the same fused or not, on both devices',
    100,
    pushed,
    ({ jaxpr, inputs, moving, cts }) => {
      const floats = jaxpr.outs.map((v) => isFloat(v.aval.dtype))
      const both = closed(vjpJaxpr(transforms, jaxpr, moving, floats))
      const given = [...inputs, ...cts.filter((_, i) => floats[i])]
      const plain = runUnfused('reference', both, given)
      agree(near(run('reference', both, given), plain), both, given)
      agree(near(run('wasm', both, given), plain), both, given)
      agree(near(runUnfused('wasm', both, given), plain), both, given)
    },
    smoothSizes,
  )

  const loss =
    (jaxpr: Jaxpr) =>
    (...xs: readonly NdArray[]): NdArray => {
      const outs = evalJaxpr(jaxpr, xs).filter((y) => isFloat(y.dtype))
      return outs
        .map((y) => reduceSum(convertElementType(y, 'float64'), range(y.ndim)))
        .reduce((a, b) => np.add(a, b), np.array(0, { dtype: 'float64' }))
    }
  const batches = (c: Choices): Program & { readonly floats: readonly number[] } => {
    const { jaxpr, inputs } = smoothProgram(c, [...smoothNames, 'customVjp'])
    const wide = inputs.map(({ aval: a }): Value => ({
      aval: { ...a, shape: [3, ...a.shape] },
      data: range(3 * sizeOf(a.shape)).map(() => c.smooth()),
    }))
    const floats = range(inputs.length).filter((i) => isFloat(inputs[i]!.aval.dtype))
    return {
      jaxpr,
      inputs: wide.map((x, i) => (floats.includes(i) ? x : { ...x, data: x.data.map((v) => Math.abs(Math.trunc(v)) % 2) })),
      floats,
    }
  }
  law(
    'jit, grad and vmap commute',
    60,
    batches,
    ({ jaxpr, inputs, floats }) => {
      if (floats.length === 0) return
      const xs = inputs.map((x) => upload(devices.wasm(), x))
      const f = loss(jaxpr)
      const each = vmap(grad(f, { argnums: floats }))(...xs)
      const whole = grad((...ys: readonly NdArray[]) => np.sum(vmap(f)(...ys)), { argnums: floats })(...xs)
      const values = (ys: readonly NdArray[]): Value[] => ys.map((y) => read(y.concrete('law')))
      agree(near(values(whole), values(each)), jaxpr, inputs)
      const open = loss(inline(jaxpr, true))
      agree(near(values(vmap(grad(open, { argnums: floats }))(...xs)), values(each)), jaxpr, inputs)
      agree(near(values(jit(vmap(grad(jit(f), { argnums: floats })))(...xs)), values(each)), jaxpr, inputs)
      agree(near([read(jit(vmap(f))(...xs).concrete('law'))], [read(vmap(f)(...xs).concrete('law'))]), jaxpr, inputs)
    },
    smoothSizes,
  )

  law(
    'Jacobians forward and reverse are the same',
    40,
    (c) => smoothProgram(c),
    ({ jaxpr, inputs }) => {
      const floats = range(inputs.length).filter((i) => isFloat(inputs[i]!.aval.dtype))
      if (floats.length === 0 || !jaxpr.outs.some((v) => isFloat(v.aval.dtype))) return
      const at = floats[0]!
      const xs = inputs.map((x) => upload(devices.wasm(), x))
      const f = (x: NdArray): readonly NdArray[] =>
        evalJaxpr(
          jaxpr,
          xs.map((y, i) => (i === at ? x : y)),
        ).filter((y) => isFloat(y.dtype))
      const columns = jacfwd(f)(xs[at]!) as readonly NdArray[]
      const rows = jacrev(f)(xs[at]!) as readonly NdArray[]
      const values = (ys: readonly NdArray[]): Value[] => ys.map((y) => read(y.concrete('law')))
      agree(near(values(rows), values(columns)), jaxpr, inputs)
    },
    smoothSizes,
  )

  law(
    'second derivatives are the same forward over reverse and reverse over reverse, and symmetric',
    25,
    (c) => smoothProgram(c),
    ({ jaxpr, inputs }) => {
      const at = inputs.findIndex((x) => isFloat(x.aval.dtype))
      if (at < 0) return
      const xs = inputs.map((x) => upload(devices.wasm(), x))
      const f = (x: NdArray): NdArray => loss(jaxpr)(...xs.map((y, i) => (i === at ? x : y)))
      const value = (y: NdArray): Value => read(np.reshape(y, [xs[at]!.size, xs[at]!.size]).concrete('law'))
      const [H, other] = [hessian(f)(xs[at]!), jacrev(grad(f))(xs[at]!)]
      agree(near([value(other)], [value(H)]), jaxpr, inputs)
      agree(near([value(np.transpose(np.reshape(H, [xs[at]!.size, xs[at]!.size])))], [value(H)]), jaxpr, inputs)
    },
    { ...smoothSizes, maxSize: 6 },
  )
})
