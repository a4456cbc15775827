/** The testing kit as a user meets it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rules } from '../../primitives/index.ts'
import type { Rules, RuleTable } from '../../src/core/rules.ts'
import { customJvp, jit, type NdArray, nn, np, parseJaxpr, evalJaxpr, checkJaxpr, makeJaxpr } from '../../src/index.ts'
import {
  arbitrary,
  arrays,
  checkGrads,
  drawProgram,
  exactOps,
  generators,
  type GeneratorTable,
  opNames,
  programSizes,
} from '../../src/testing/index.ts'

test('arrays: any shape, or one; any number, or some', () => {
  const shapes = new Set(fc.sample(arrays(), { numRuns: 200, seed: 1 }).map((x) => x.ndim))
  expect([...shapes].sort()).toEqual([0, 1, 2, 3])
  const odd = fc.sample(arrays({ shape: [8] }), { numRuns: 100, seed: 1 }).flatMap((x) => [...x.toTyped()])
  expect(odd.some(Number.isNaN)).toBe(true)
  expect(odd.includes(Number.NEGATIVE_INFINITY)).toBe(true)
  const property = fc.property(arrays({ shape: [3], between: [-1, 1] }), (x) => np.max(np.abs(x)).item() <= 1)
  fc.assert(property, { seed: 1 })
  fc.assert(
    fc.property(arrays({ shape: [2, 2], dtype: 'int32', between: [0, 3] }), (x) => [...x.toTyped()].every((v) => v >= 0 && v <= 3)),
    { seed: 1 },
  )
})

test('a counterexample shows the array', () => {
  const wrong = fc.property(arrays({ shape: [2], between: [0, 1] }), (x) => np.sum(x).item() < 1.5)
  expect(() => fc.assert(wrong, { seed: 1 })).toThrow(/f32\[2\] \[/)
})

test('checkGrads accepts what is right and refuses what is not', () => {
  fc.assert(
    fc.property(arrays({ shape: [4], between: [-2, 2] }), arrays({ shape: [4], between: [-2, 2] }), (x, y) =>
      checkGrads((a, b) => nn.softmax(np.mul(a!, b!)), [x, y]),
    ),
    { seed: 1, numRuns: 20 },
  )
  const wrong = customJvp(
    (x: NdArray) => np.sin(x),
    ([x], [dx]) => [np.sin(x!), np.mul(dx!, np.sin(x!))] as const,
  )
  const x = np.array([0.5, 1])
  expect(() => checkGrads((y) => wrong(y!), [x])).toThrow(/the tangent \[0\] is .*, and the difference quotient/)
  expect(() => checkGrads((y) => wrong(y!), [x], { modes: ['reverse'] })).toThrow(/vjp\(ct\)/)
})

test('programs, as data: printed, parsed, checked and run', () => {
  fc.assert(
    fc.property(
      arbitrary((c) => drawProgram(c, generators, { ops: exactOps, steps: 3 }), programSizes),
      ({ jaxpr }) => checkJaxpr(jaxpr) === jaxpr,
    ),
    { seed: 1, numRuns: 50 },
  )
  const jaxpr = parseJaxpr(String(makeJaxpr((x: NdArray) => np.sum(np.mul(x, 2)))(np.ones([3]))))
  expect(jit((x: NdArray) => evalJaxpr(jaxpr, [x])[0]!)(np.array([1, 2, 3])).item()).toBe(12)
  expect(opNames.length).toBe(new Set(opNames).size)
})

test('a primitive without a rule or a generator does not compile', () => {
  const { sin: generator, ...generatorsLeft } = generators
  // @ts-expect-error: sin has no generator
  const incompleteGenerators: GeneratorTable = generatorsLeft
  const { sin: rule, ...rulesLeft } = rules
  // @ts-expect-error: sin has no rules
  const incompleteRules: RuleTable = rulesLeft
  // @ts-expect-error: sin says nothing of its transpose
  const halfRule: Rules<'sin'> = { ...rule, transpose: undefined }
  expect([incompleteGenerators, incompleteRules].some((table) => 'sin' in table)).toBe(false)
  expect(halfRule.transpose).toBeUndefined()
  expect(generator.linear({ params: {}, inputs: [] })).toEqual([])
})
