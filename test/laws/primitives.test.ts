/** The laws of primitives, each written once and run for every one of them. */
import { isLeft } from '#fp-ts/Either.js'
import { describe, expect, test } from 'vitest'
import { rules } from '../../primitives/index.ts'
import { type Aval, aval, showAval, sizeOf, physical } from '../../src/core/aval.ts'
import { range } from '../../src/core/constructors.ts'
import { type Jaxpr, variable } from '../../src/core/jaxpr.ts'
import { isFloat } from '../../src/core/dtype.ts'
import type { Node } from '../../src/core/graph.ts'
import { type Op, type OpName, ulpsOf, traitsOf } from '../../src/core/ops.ts'
import { parseJaxpr } from '../../src/core/parse.ts'
import { Ref } from '../../src/core/ref.ts'
import { printJaxpr } from '../../src/core/print.ts'
import { badOp } from '../../src/core/ops.ts'
import { checkJaxpr } from '../../src/index.ts'
import { Choices, longSizes, type Value } from '../../src/testing/choices.ts'
import type { Draw, Generator } from '../../src/testing/generator.ts'
import { generators, opNames } from '../../src/testing/generators.ts'
import { callJaxpr, equation, type Program } from '../../src/testing/programs.ts'
import { vjpJaxpr } from '../../transforms/linearize.ts'
import { startLowering } from '../../backends/lowering/lower.ts'
import { optimise } from '../../transforms/inline.ts'
import { agree, batchOf, bound, closed, largest, law, magnitudes, run, same, sameAsLoop, type Scales, transforms } from './harness.ts'

const generatorOf = (name: OpName): Generator<OpName> => generators[name] as Generator<OpName>
/** One call as a jaxpr with its inputs. */
const programOf = (name: OpName, { params, inputs }: Draw<OpName>): Program => ({ jaxpr: callJaxpr(name, { params, inputs }), inputs })
const any =
  (name: OpName) =>
  (c: Choices): Program =>
    programOf(name, generatorOf(name).any(c))
const smooth =
  (name: OpName) =>
  (c: Choices): Program =>
    programOf(name, generatorOf(name).smooth(c))

const each = (title: string, body: (name: OpName) => void): void => {
  describe(title, () => {
    for (const name of opNames) body(name)
  })
}

/** A call as what a device computes for it. */
const meant =
  (name: OpName) =>
  (c: Choices): Program => {
    const { meaning, any: draw } = generatorOf(name)
    const drawn = draw(c)
    if (meaning === null) return { jaxpr: bound(callJaxpr(name, drawn)), inputs: drawn.inputs }
    const jaxpr = meaning(drawn)
    expect(jaxpr.outs.map((v) => showAval(v.aval))).toEqual(callJaxpr(name, drawn).outs.map((v) => showAval(v.aval)))
    return { jaxpr, inputs: drawn.inputs }
  }
const runs = (name: OpName): boolean => generatorOf(name).meaning === null

each('abstract evaluation predicts what lowering makes', (name) =>
  law(name, 40, meant(name), ({ jaxpr, inputs }) => {
    const nodes = jaxpr.inputs.map((v, index): Node => ({ kind: 'input', index, ...physical(v.aval) }))
    const made = startLowering({ rules, transforms, optimise, fusion: 'usual' })
      .lower(jaxpr, nodes)
      .map(({ shape, dtype }) => ({ shape, dtype }))
    expect(made).toEqual(
      jaxpr.outs.map((v) => {
        const { shape, dtype } = physical(v.aval)
        return { shape, dtype }
      }),
    )
    for (const { aval: a, data } of run('reference', jaxpr, inputs)) expect(data.length).toBe(sizeOf(physical(a).shape))
  }),
)

/** One operand of another dtype or shape, or one param off by a little (but not those that speak of what is around the call). */
const disturb =
  (name: OpName) =>
  (c: Choices): Program & { readonly op: Op } => {
    const { params, inputs } = generatorOf(name).any(c)
    const at = c.below(inputs.length)
    const wrong = ({ aval: a }: Value): Value => {
      const shape = c.pick([a.shape, [...a.shape, 2], a.shape.slice(1), a.shape.map((n) => n + 1)])
      return c.value(shape, c.pick([a.dtype, 'float32', 'int32', 'bool', 'key']))
    }
    const off = (value: unknown): unknown =>
      typeof value === 'number'
        ? value + c.pick([1, -1, 7, -7])
        : Array.isArray(value)
          ? c.pick([value.slice(1), [...value, 0], value.map((v) => (c.oneIn(2) ? off(v) : v))])
          : value
    const key = c.pick(Object.keys(params).filter((k) => !['rule', 'captured', 'size', 'call', 'shapes', 'dtypes'].includes(k)))
    const inOperand = key === undefined || (inputs.length > 0 && c.oneIn(2))
    const op = { name, params: inOperand ? params : { ...params, [key]: off(params[key as keyof typeof params]) } } as Op
    const operands = inOperand ? inputs.map((x, i) => (i === at ? wrong(x) : x)) : inputs
    const vars = operands.map((x) => variable(x.aval))
    return { jaxpr: { inputs: vars, eqns: [], outs: [] }, inputs: operands, op }
  }

each('abstract evaluation refuses, with a reason, what lowering could not do', (name) => {
  law(name, 60, disturb(name), ({ jaxpr: { inputs: vars }, inputs, op }) => {
    if (badOp(op, vars.length) !== null) return
    const avals = vars.map((v) => v.aval)
    const predicted = rules[name].abstractEval(avals, op.params as never)
    if (isLeft(predicted)) {
      expect(predicted.left.reason).toMatch(/\w/)
      return
    }
    if (!runs(name)) return
    const eqn = equation(op, vars)
    const jaxpr = checkJaxpr({ inputs: vars, eqns: [eqn], outs: eqn.outs })
    run('reference', jaxpr, inputs).forEach((y, k) => {
      expect({ ...y.aval, weak: false }).toEqual({ ...predicted.right[k], weak: false })
      expect(y.data.length).toBe(sizeOf(physical(y.aval).shape))
    })
  })
})

// A text has a function's number alone.
expect.addEqualityTesters([(a: unknown, b: unknown) => (b instanceof Ref ? a === b.id : undefined)])
each('what is printed parses, and prints the same', (name) =>
  law(name, 20, any(name), ({ jaxpr }) => {
    const text = printJaxpr(jaxpr)
    const back = parseJaxpr(text)
    expect(printJaxpr(back)).toBe(text)
    expect(back.eqns[0]!.op).toEqual(jaxpr.eqns[0]!.op)
    expect(back.eqns[0]!.outs.map((v) => v.aval)).toEqual(jaxpr.eqns[0]!.outs.map((v) => v.aval))
  }),
)

// Derivatives -------------------------------------------------------------------------------------------------------------------

const moved = (x: Value, by: Value | null, step: number): Value =>
  by === null ? x : { ...x, data: x.data.map((v, i) => v + step * by.data[i]!) }
/** (f(x + h t) - f(x - h t)) / 2h, whose error is about h² and 1e-16 / h. */
const h = 1e-5
const quotient = ({ jaxpr, inputs }: Program, tangents: readonly (Value | null)[]): Value[] => {
  const at = (step: number): Value[] =>
    run(
      'reference',
      jaxpr,
      inputs.map((x, i) => moved(x, tangents[i]!, step)),
    )
  const [ahead, behind] = [at(h), at(-h)]
  return ahead.map((y, k) => ({ ...y, data: y.data.map((v, i) => (v - behind[k]!.data[i]!) / (2 * h)) }))
}

const close = (got: readonly number[], expected: readonly number[], what: string): string | null => {
  const scale = Math.max(1, ...expected.map(Math.abs).filter(Number.isFinite))
  const at = got.findIndex((x, i) => !(Math.abs(x - expected[i]!) <= 1e-6 * scale || Object.is(x, expected[i])))
  if (got.length !== expected.length) return `${what}: ${got.length} elements, expected ${expected.length}`
  return at < 0 ? null : `${what}: element ${at} is ${got[at]}, expected ${expected[at]}`
}

/** A call, and tangents of some of its float operands. */
const withTangents =
  (name: OpName) =>
  (c: Choices): Program & { readonly tangents: readonly (Value | null)[] } => {
    const program = smooth(name)(c)
    const tangents = program.inputs.map(({ aval: { shape, dtype } }) =>
      isFloat(dtype) && !c.oneIn(4) ? { aval: aval(shape, dtype), data: range(sizeOf(shape)).map(() => c.smooth()) } : null,
    )
    return { ...program, tangents }
  }

each('jvp matches finite differences', (name) => {
  if (generatorOf(name).reverseOnly) return
  law(name, 30, withTangents(name), ({ jaxpr, inputs, tangents }) => {
    const pushed = transforms.jvp(
      jaxpr,
      tangents.map((t) => t !== null),
    )
    const given = tangents.filter((t) => t !== null)
    const results = run('reference', pushed.jaxpr, [...inputs, ...given])
    const count = jaxpr.outs.length
    agree(same(results.slice(0, count), run('reference', jaxpr, inputs)), pushed.jaxpr, [...inputs, ...given])
    const wanted = generatorOf(name).flat ? null : quotient({ jaxpr, inputs }, tangents)
    let next = count
    jaxpr.outs.forEach((out, k) => {
      const tangent = pushed.nonzero[k] ? results[next++]! : null
      if (tangent !== null) {
        expect(isFloat(out.aval.dtype)).toBe(true)
        expect({ ...tangent.aval, weak: false }).toEqual({ ...out.aval, weak: false })
      }
      if (!isFloat(out.aval.dtype)) return
      const expected = wanted?.[k]!.data ?? new Array<number>(sizeOf(out.aval.shape)).fill(0)
      agree(close(tangent?.data ?? expected.map(() => 0), expected, `tangent ${k}`), pushed.jaxpr, [...inputs, ...given])
    })
  })
})

/** Tangents as above, and a cotangent for each float result. */
const withBoth = (name: OpName) => (c: Choices) => {
  const drawn = withTangents(name)(c)
  const cts = drawn.jaxpr.outs.filter((v) => isFloat(v.aval.dtype)).map((v) => vector(c, v.aval))
  return { ...drawn, cts }
}

each('reverse mode matches finite differences', (name) => {
  if (!runs(name) || generatorOf(name).forwardOnly) return
  law(name, 30, withBoth(name), ({ jaxpr, inputs, tangents, cts }) => {
    const moving = tangents.map((t) => t !== null)
    const floats = jaxpr.outs.map((v) => isFloat(v.aval.dtype))
    const both = closed(vjpJaxpr(transforms, jaxpr, moving, floats))
    const grads = run('reference', both, [...inputs, ...cts]).slice(jaxpr.outs.length)
    const dys = quotient({ jaxpr, inputs }, tangents).filter((_, i) => floats[i])
    const [left, scaleLeft] = generatorOf(name).flat ? [0, 0] : inner(dys, cts)
    const [right, scaleRight] = inner(
      grads,
      tangents.filter((t) => t !== null),
    )
    const off = Math.abs(left - right) > 1e-6 * (1 + scaleLeft + scaleRight)
    agree(off || Number.isNaN(right) ? `⟨J t, ct⟩ is ${left}, ⟨t, Jᵀ ct⟩ is ${right}` : null, both, [...inputs, ...cts])
  })
})

/** ⟨xs, ys⟩, and the sum of its terms' magnitudes. */
const inner = (xs: readonly Value[], ys: readonly Value[]): readonly [sum: number, scale: number] => {
  const terms = xs.flatMap((x, k) => x.data.map((v, i) => v * ys[k]!.data[i]!))
  return [terms.reduce((a, b) => a + b, 0), terms.reduce((a, b) => a + Math.abs(b), 0)]
}
const vector = (c: Choices, { shape, dtype }: Aval): Value => ({
  aval: aval(shape, dtype),
  data: range(sizeOf(shape)).map(() => c.smooth()),
})

const zeros = (x: Value): Value => ({ ...x, data: x.data.map(() => 0) })

/** A call with the operands that it is taken as linear in, and cotangents for some of its results. */
const withCotangents =
  (name: OpName) =>
  (c: Choices): Cotangents => {
    const draw = generatorOf(name).smooth(c)
    const program = programOf(name, draw)
    const sets = generatorOf(name).linear(draw)
    const meaning = generatorOf(name).meaning?.(draw) ?? program.jaxpr
    const seeds = program.jaxpr.outs.map((_, i) => i === 0 || !c.oneIn(3))
    const cts = program.jaxpr.outs.map((v, i) => (seeds[i] ? vector(c, v.aval) : zeros(vector(c, v.aval))))
    return { ...program, meaning, linear: sets.length === 0 ? [] : [...c.pick(sets)].sort((a, b) => a - b), seeds, cts }
  }

test('the generators name linear operands where there is a transpose, and there only', () => {
  const differing = opNames.filter((name) => {
    const draws = range(40).map((i) =>
      generatorOf(name).linear(generatorOf(name).smooth(new Choices(range(300).map((k) => (k * 7919 + i * 104729) % 65536)))),
    )
    return draws.some((sets) => sets.length > 0) === (rules[name].transpose === 'notLinear' || generatorOf(name).forwardOnly)
  })
  expect(differing).toEqual([])
})

interface Cotangents extends Program {
  /** What the jaxpr computes, on a device. */
  readonly meaning: Jaxpr
  readonly linear: readonly number[]
  readonly seeds: readonly boolean[]
  readonly cts: readonly Value[]
}
const transposes = (name: OpName): boolean => rules[name].transpose !== 'notLinear' && !generatorOf(name).forwardOnly
const isAdjoint =
  (name: OpName) =>
  ({ jaxpr, meaning, inputs, linear, seeds, cts }: Cotangents): void => {
    if (linear.length === 0) return
    const mask = inputs.map((_, i) => linear.includes(i))
    const back = transforms.transpose(jaxpr, mask, seeds)
    const given = [...inputs.filter((_, i) => !mask[i]), ...cts.filter((_, i) => seeds[i])]
    const pulled = run('reference', closed(back), given)
    const there = linear.filter((_, k) => back.present[k])
    pulled.forEach((ct, k) => expect({ ...ct.aval, weak: false }).toEqual({ ...inputs[there[k]!]!.aval, weak: false }))
    // ⟨f(x) - f(0), ct⟩: the other operands may leave a constant.
    const origin = inputs.map((x, i) => (mask[i] ? zeros(x) : x))
    const [left, scaleLeft] = inner(run('reference', meaning, inputs), cts)
    const [constant, scaleConstant] = inner(run('reference', meaning, origin), cts)
    const [right, scaleRight] = inner(
      pulled,
      there.map((p) => inputs[p]!),
    )
    const expected = generatorOf(name).flat ? 0 : left - constant
    const off = Math.abs(expected - right) > 1e-6 * (1 + scaleLeft + scaleConstant + scaleRight)
    // Where a constant is NaN (what fills a gather) there is no sum to compare; what is pulled back is a number all the same.
    agree(!off && !Number.isNaN(right) ? null : `⟨f(x), ct⟩ is ${expected}, ⟨x, fᵀ(ct)⟩ is ${right}`, back.jaxpr, given)
  }

each('transpose is the adjoint', (name) => {
  if (transposes(name)) law(name, 40, withCotangents(name), isAdjoint(name))
})

// Rules for batches may be written with more than the primitive itself, and linear parts of derivatives are batched too.
each('what is linear is so in a batch, and its transpose the adjoint', (name) => {
  if (!transposes(name) || !runs(name)) return
  const wide = (c: Choices): Cotangents => {
    const drawn = withCotangents(name)(c)
    const { jaxpr, inputs } = batchOf(c, drawn)
    const cts = jaxpr.outs.map((v, i) => (drawn.seeds[i] ? vector(c, v.aval) : zeros(vector(c, v.aval))))
    return { ...drawn, jaxpr, meaning: jaxpr, inputs, cts }
  }
  law(name, 20, wide, isAdjoint(name))
})

// Batching and devices ----------------------------------------------------------------------------------------------------------

/** What a primitive's `ulps` are of. */
const scalesOf = (name: OpName): Scales => {
  const { rounding } = traitsOf(name)
  return rounding === 'terms' ? magnitudes : rounding === 'largest' ? largest : () => []
}

// What is rounded on the way differs between a kernel and its composition, and between sums and products of matrices, which convolutions are as they are large.
each('batching is the stacked loop', (name) => {
  if (!runs(name)) return
  law(
    name,
    40,
    (c) => batchOf(c, any(name)(c), any(name)(c).inputs),
    (drawn) => sameAsLoop(drawn, traitsOf(name).rounding === undefined ? 0 : ulpsOf(name), scalesOf(name)),
  )
})

each('wasm gives what reference gives', (name) => {
  if (!runs(name)) return
  const alike = ({ jaxpr, inputs }: Program): void => {
    const expected = run('reference', jaxpr, inputs)
    agree(same(run('wasm', jaxpr, inputs), expected, ulpsOf(name, 'wasm'), scalesOf(name)(inputs, expected, jaxpr)), jaxpr, inputs)
  }
  law(name, 40, any(name), alike)
  law(`${name}, along longer axes`, 15, any(name), alike, longSizes)
})
