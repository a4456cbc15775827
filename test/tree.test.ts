import { describe, expect, test } from 'vitest'
import { grad, jit, type NdArray, np, tree } from '../src/index.ts'

class Affine {
  readonly w: NdArray
  readonly b: NdArray
  readonly name: string
  constructor(w: NdArray, b: NdArray, name: string) {
    this.w = w
    this.b = b
    this.name = name
  }
}
tree.registerNode(
  Affine,
  ({ w, b, name }) => [[w, b], name],
  (name, [w, b]) => new Affine(w as NdArray, b as NdArray, name),
)

const sample = { z: [1, null, { y: 2 }], a: 3, none: undefined }

describe('pytrees', () => {
  test('leaves come with object keys in order, and go back where they were', () => {
    const [leaves, def] = tree.flatten(sample)
    expect(leaves).toEqual([3, 1, 2])
    expect(tree.paths(sample)).toEqual(['.a', '.z[0]', '.z[2].y'])
    expect(tree.unflatten(def, leaves)).toEqual(sample)
    expect(tree.structure({ b: 0, a: 0 })).toEqual(tree.structure({ a: 1, b: 1 }))
  })
  test('map, reduce, all and mapWithPath see every leaf', () => {
    const twice = tree.map((leaf) => Number(leaf) * 2, { a: 1, b: [2, 3] })
    expect(twice).toEqual({ a: 2, b: [4, 6] })
    expect(tree.reduce((sum, leaf) => sum + Number(leaf), sample, 0)).toBe(6)
    expect([tree.all([1, { a: true }]), tree.all([1, { a: 0 }]), tree.all({})]).toEqual([true, false, true])
    expect(tree.mapWithPath((path) => path, { a: [1, 2] })).toEqual({ a: ['.a[0]', '.a[1]'] })
  })
  test('transpose turns a list of records into a record of lists, and back', () => {
    const [list, record] = [tree.structure([0, 0, 0]), tree.structure({ a: 0, b: [0] })]
    const rows = [1, 2, 3].map((n) => ({ a: n, b: [10 * n] }))
    const columns = tree.transpose(list, record, rows)
    expect(columns).toEqual({ a: [1, 2, 3], b: [[10, 20, 30]] })
    expect(tree.transpose(record, list, columns)).toEqual(rows)
  })
  test('a registered class is a node for every transform, and its auxiliary data is part of the structure', () => {
    const layer = new Affine(np.array([1, 2]), np.array(3), 'first')
    const sum = (p: Affine, x: NdArray): NdArray => p.w.mul(x).sum().add(p.b)
    const g = jit(grad(sum))(layer, np.array([4, 5]))
    expect(g).toBeInstanceOf(Affine)
    expect([g.name, g.w.toArray(), g.b.toArray()]).toEqual(['first', [4, 5], 1])
    expect(() => tree.map((a) => a, layer, new Affine(layer.w, layer.b, 'second'))).toThrow(/Affine<first>.*left, Affine<second>.*right/)
  })
})
