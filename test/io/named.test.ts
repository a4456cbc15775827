import { expect, test } from 'vitest'
import { np, tree } from '../../src/index.ts'
import { FileError, fromNamed, toNamed } from '../../src/io/index.ts'

const params = { blocks: [{ w: np.ones([2, 3]) }, { w: np.zeros([3]) }], scale: np.array([1, 2]) }

test('leaves are named by their path, and come back to it', () => {
  const named = toNamed(params, { prefix: 'params.' })
  expect(Object.keys(named)).toEqual(['params.blocks.0.w', 'params.blocks.1.w', 'params.scale'])
  const back = fromNamed(
    tree.map((x) => np.zerosLike(x), params),
    { ...named, other: np.ones([1]) },
    'f',
    { prefix: 'params.' },
  )
  expect(tree.map((x) => x.toArray(), back)).toEqual(tree.map((x) => x.toArray(), params))
})

test('what doesn’t fit is refused by name', () => {
  const named = toNamed(params)
  const { scale: _, ...less } = named
  const refusal = (tensors: typeof named): unknown => {
    try {
      return fromNamed(params, tensors, 'm.safetensors')
    } catch (e) {
      return e instanceof FileError ? e.message : e
    }
  }
  expect(refusal(less)).toBe('m.safetensors has no tensor "scale", which should be f32[2]')
  expect(refusal({ ...named, scale: np.ones([3]) })).toBe('m.safetensors holds scale as f32[3], and f32[2] was expected')
  expect(refusal({ ...named, scale: np.ones([2], 'int32') })).toBe('m.safetensors holds scale as i32[2], and f32[2] was expected')
  expect(refusal({ ...named, bias: np.ones([2]) })).toBe('m.safetensors holds "bias", which has no place in what is to be filled')
})

test('two leaves of one name are refused, to and fro', () => {
  const [x, y] = [np.ones([2]), np.zeros([2])]
  for (const [tree, name] of [
    [{ 'a.b': x, a: { b: y } }, 'p.a.b'],
    [{ a: [x], 'a[0]': y }, 'p.a.0'],
    [{ a: [x], 'a.0': y }, 'p.a.0'],
    [{ a: { 0: x }, 'a.0': y }, 'p.a.0'],
  ] as const) {
    const message = `: two arrays of the tree are called "${name}": rename one of the keys`
    expect(() => toNamed(tree, { prefix: 'p.' })).toThrow(`toNamed${message}`)
    expect(() => fromNamed(tree, { [name]: x }, 'f', { prefix: 'p.' })).toThrow(`fromNamed${message}`)
    expect(() => toNamed(tree)).toThrow(FileError)
  }
  expect(() => toNamed({ lr: 0.1 })).toThrow('toNamed: "lr" is no array: make one with np.array')
})
