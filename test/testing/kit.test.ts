/** The testing kit as a user meets it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rules } from '../../primitives/index.ts'
import type { Rules, RuleTable } from '../../src/core/rules.ts'
import {
  customJvp,
  customVmap,
  customVjp,
  debug,
  jit,
  lax,
  type NdArray,
  nn,
  np,
  parseJaxpr,
  evalJaxpr,
  checkJaxpr,
  makeJaxpr,
  tree,
} from '../../src/index.ts'
import {
  arbitrary,
  arrays,
  broadcastableShapes,
  checkGrads,
  checkJit,
  checkTranspose,
  checkVmap,
  drawProgram,
  dtypes,
  exactOps,
  generators,
  type GeneratorTable,
  laws,
  opNames,
  programs,
  programSizes,
  pytrees,
  sameOnAllDevices,
  shapes,
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
      checkGrads((a: NdArray, b: NdArray) => nn.softmax(np.mul(a, b)), [x, y]),
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

test('dtypes, shapes, shapes that broadcast, and trees', () => {
  expect(new Set(fc.sample(dtypes(), { numRuns: 100, seed: 1 })).size).toBe(7)
  fc.assert(fc.property(shapes({ minRank: 1, maxRank: 2, extents: [3, 1] }), (s) => s.length >= 1 && s.length <= 2 && s.every((n) => [1, 3].includes(n)))) // prettier-ignore
  fc.assert(
    fc.property(broadcastableShapes(3), ({ shapes: all, result }) => {
      const sum = all.map((shape) => np.zeros([...shape])).reduce((a, b) => np.add(a, b))
      expect([all.length, sum.shape]).toEqual([3, result])
    }),
  )
  const kinds = new Set<string>()
  fc.assert(
    fc.property(pytrees(arrays({ shape: [2] })), (t) => {
      kinds.add(t === null ? 'null' : Array.isArray(t) ? 'list' : 'shape' in t ? 'leaf' : 'dict')
      const [leaves, def] = tree.flatten(t)
      expect(tree.structure(tree.unflatten(def, leaves))).toEqual(def)
    }),
    { seed: 1 },
  )
  expect([...kinds].sort()).toEqual(['dict', 'leaf', 'list', 'null'])
})

test('programs as functions: they run, shrink to what is wrong, and show themselves', () => {
  fc.assert(
    fc.property(programs(), ({ f, args, jaxpr }) => f(...args).length === jaxpr.outs.length),
    { seed: 1, numRuns: 50 },
  )
  const wrong = fc.property(programs({ steps: 8 }), ({ jaxpr }) => !jaxpr.eqns.some((eqn) => eqn.op.name === 'concatenate'))
  const { counterexample, failed } = fc.check(wrong, { seed: 1, numRuns: 500 })
  expect(failed).toBe(true)
  expect(counterexample![0].jaxpr.eqns.length).toBe(1)
  expect(fc.stringify(counterexample![0])).toMatch(/^\{ lambda ; .*concatenate/)
})

const x = np.array([0.5, -1, 2])
test('checkGrads of trees, to second order', () => {
  const f = (p: { readonly a: NdArray; readonly b: readonly NdArray[] }, s: NdArray): unknown => ({
    y: np.sin(p.a).mul(p.b[0]!),
    z: [np.tanh(s)],
  })
  checkGrads(f, [{ a: x, b: [x] }, np.array(0.3)], { order: 2, tolerance: 1e-5 })
  // Right to first order, wrong to second.
  const second = customJvp((y: NdArray) => np.square(y), ([y], [dy]) => [np.square(y), lax.stopGradient(y).mul(dy).mul(2)]) // prettier-ignore
  checkGrads((y: NdArray) => second(y), [x])
  expect(() => checkGrads((y: NdArray) => second(y), [x], { order: 2, modes: ['forward'] })).toThrow(/the tangent \[0\] is 0/)
  expect(() => checkGrads((i: NdArray) => i, [np.array([1], { dtype: 'int32' })])).toThrow(/i32\[1\] is no float/)
})
test('checkJit, checkVmap and checkTranspose accept what is right and refuse what is not', () => {
  checkJit((y: NdArray) => ({ y: np.exp(y) }), [x])
  let calls = 0
  expect(() => checkJit((y: NdArray) => y.add(calls++), [x])).toThrow(/checkJit\(the function\): element 0 is 0.5, and 1.5 was expected/)
  const rows = np.stack([x, x.mul(2)])
  checkVmap((y: NdArray, w: NdArray) => [np.cumsum(y), y.dot(w)], [rows, x], { inAxes: [0, null] })
  checkVmap((y: NdArray) => y.sum(), [rows], { inAxes: -1 })
  const odd = customVmap((y: NdArray) => np.sin(y), (_n, _b, y) => [np.sin(y.mul(2)), true]) // prettier-ignore
  expect(() => checkVmap((y: NdArray) => odd(y), [rows])).toThrow(/checkVmap\(.*\): element 0 is 0.84.*, and 0.47.* was expected/)
  checkTranspose((y: NdArray) => [np.cumsum(y), y.slice(1)], x)
  const skew = (y: NdArray): NdArray => customVjp((z: NdArray) => z.mul(2), (z) => [z.mul(2), null] as const, (_r, ct) => [ct.mul(3)])(y) // prettier-ignore
  expect(() => checkTranspose(skew, x)).toThrow(/customVjp isn't linear|⟨f\(x\), ct⟩ is/)
})
test('sameOnAllDevices runs on each, and tells them apart', async () => {
  await sameOnAllDevices((y: NdArray, n: NdArray) => ({ y: np.exp(y), n: n.add(1) }), [x, np.array([1, 2], { dtype: 'int32' })])
  await sameOnAllDevices((y: NdArray) => np.sum(y), [x.astype('float64')], { devices: ['reference', 'wasm'], tolerance: 1e-12 })
  await expect(sameOnAllDevices((y: NdArray) => y.add(x), [x])).rejects.toThrow(/closes over 1 arrays/)
  let n = 0
  const drifting = (y: NdArray): NdArray => {
    debug.callback(() => n++, y)
    return lax.foriLoop(0, 3, (_i, z) => z.mul(1.1), y)
  }
  await sameOnAllDevices(drifting, [x], { devices: ['reference', 'wasm'] })
  expect(n).toBe(2)
})
test('the laws hold of a right function, and find a wrong rule, a side effect and an unsymmetric derivative', () => {
  const args = fc.tuple(arrays({ shape: [3], between: [-1, 1] }), arrays({ shape: [3], between: [0.5, 2] }))
  for (const law of Object.values(laws((a: NdArray, b: NdArray) => ({ y: np.tanh(a).mul(b), z: nn.softmax(a) }), args))) fc.assert(law, { seed: 1, numRuns: 10 }) // prettier-ignore
  const any = fc.tuple(arrays({ shape: [2] })) // infinities and NaN too
  for (const f of [np.sin, np.tanh, (y: NdArray) => y.mul(y)] as ((y: NdArray) => NdArray)[])
    for (const law of Object.values(laws(f, any))) fc.assert(law, { seed: 1, numRuns: 50 })
  const one = fc.tuple(arrays({ shape: [2], between: [0.5, 2] }))
  const failing = (f: (y: NdArray) => unknown): string[] =>
    Object.entries(laws(f, one)).flatMap(([name, law]) => (fc.check(law, { seed: 1, numRuns: 10 }).failed ? [name] : []))
  let calls = 0
  expect(failing((y) => y.mul(calls++))).toContain('jit changes nothing')
  const batchOnly = customVmap((y: NdArray) => np.sin(y), (_n, _b, y) => [np.sin(y).mul(2), true]) // prettier-ignore
  expect(failing((y) => batchOnly(y))).toContain('vmap is a loop')
  const crooked = customJvp((y: NdArray) => np.sum(np.square(y)), ([y], [dy]) => [np.sum(np.square(y)), y.slice(0).mul(dy.slice(1))]) // prettier-ignore
  expect(failing((y) => crooked(y))).toEqual(['second derivatives are symmetric'])
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
