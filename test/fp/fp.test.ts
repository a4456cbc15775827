import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import * as E from '#fp-ts/Either.js'
import { pipe } from '#fp-ts/function.js'
import * as O from '#fp-ts/Option.js'
import * as TE from '#fp-ts/TaskEither.js'
import { CotangentError, grad, jit, type NdArray, np, optim, vmap } from '../../src/index.ts'
import { eqAval, eqTreeDef, init, monoidOptimizer, monoidTangent, traverseOption } from '../../src/fp/index.ts'
import { read, write } from '../../src/fp/node.ts'
import type { Optimizer } from '../../src/optim/index.ts'
import { structure } from '../../src/tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'fp-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('refusals are values', () => {
  test('files written and read in one pipe', async () => {
    const path = join(folder, 'w.safetensors')
    const again = await pipe(
      write(path, { w: np.array([1, 2]) }),
      TE.flatMap(() => read(path)),
      TE.map(({ tensors }) => tensors['w']!.toArray()),
    )()
    expect(again).toEqual(E.right([1, 2]))
  })
  test('a file that is not there, a device that is not', async () => {
    for (const refused of [await read(join(folder, 'none'))(), await init({ device: 'abacus' })()]) {
      expect(E.isLeft(refused) && refused.left instanceof CotangentError).toBe(true)
    }
  })
})

describe('instances', () => {
  const params = { w: np.array([3, 4]) }
  const updated = (o: Optimizer): unknown => (o.update(params, o.init(params), params)[0] as typeof params).w.toArray()
  test('gradient transformations are a monoid', () => {
    const [clip, back] = [optim.clipByGlobalNorm(1), optim.scale(-10)]
    const { concat, empty } = monoidOptimizer
    const want = updated(optim.chain(clip, back))
    for (const o of [concat(clip, back), concat(empty, concat(clip, back)), concat(concat(clip, empty), back)])
      expect(updated(o)).toEqual(want)
  })
  test('absent cotangents are zero', () => {
    const sum = [O.none, O.some(np.array(2)), O.none, O.some(np.array(3))].reduce(monoidTangent.concat, monoidTangent.empty)
    expect(O.isSome(sum) && sum.value.item()).toBe(5)
  })
  test('avals and structures are compared', () => {
    expect(eqAval.equals(np.ones([2]).aval, np.zeros([2]).aval)).toBe(true)
    expect(eqTreeDef.equals(structure({ a: [1] }), structure({ a: [1, 2] }))).toBe(false)
  })
  test('a tree is traversed in an effect', () => {
    const tree = { a: np.ones([2]), b: [np.array(1)] }
    const ranked = traverseOption((x) => (x.ndim > 1 ? O.none : O.some(np.add(x, 1))))(tree)
    expect(O.isSome(ranked) && ranked.value.b[0]!.item()).toBe(2)
    expect(traverseOption((x) => (x.ndim === 0 ? O.none : O.some(x)))(tree)).toEqual(O.none)
  })
  test('transforms compose in a pipe', () => {
    const f = (x: NdArray): NdArray => np.sin(x)
    expect(pipe(f, grad, vmap, jit)(np.array([0, Math.PI])).toTyped()).toEqual(Float32Array.from([1, -1]))
  })
})
