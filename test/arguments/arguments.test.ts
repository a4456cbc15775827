/** What a function doesn't take it refuses: more arguments than it has, options that it doesn't know, and values that an option can't have. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ArgumentError, CotangentError, jit, nn, np, parseJaxpr, tree } from '../../src/index.ts'
import { type Fn, functions } from './spaces.ts'

/** Those that take any number of arguments. */
const variadic = new Set(
  `np.einsum np.broadcastArrays np.at np.slice lax.cond lax.switch optim.chain tree.map debug.callback debug.print P linearize vjp closureConvert x.reshape x.transpose x.slice x.at`.split(
    ' ',
  ),
)
/** Of the testing kit's tables and programs, which are data of generators. */
const internal = /^testing\.(generators\.|drawProgram|callJaxpr|arbitrary)|^fp\.(\w+\.|refusing)/

const refusal = async (f: Fn, args: readonly unknown[]): Promise<unknown> => {
  try {
    await f(...args)
  } catch (error) {
    return error
  }
  return null
}
const TAKES = /it takes (\d+) arguments?(?: and options \((.*)\))?, and got 4[01] arguments/

describe.each(functions.filter(({ name }) => !internal.test(name) && !variadic.has(name)))('$name', ({ name, f }) => {
  test('takes what it takes', async () => {
    const error = await refusal(f, Array<undefined>(40).fill(undefined))
    expect(error).toBeInstanceOf(ArgumentError)
    const said = TAKES.exec((error as Error).message)
    expect(said, (error as Error).message).not.toBeNull()
    const [, count, names] = said!
    if (names === undefined) return
    const before = Array<undefined>(Number(count) - (name.startsWith('x.') ? 1 : 0)).fill(undefined) // an array is its method's first
    const unknown = await refusal(f, [...before, { neverHeardOf: 1 }])
    expect(unknown).toBeInstanceOf(ArgumentError)
    expect((unknown as Error).message).toContain(`there is no option neverHeardOf: it takes ${names}`)
    for (const notOptions of [3, 'axis', [], null, () => 0, new Date(0)])
      expect(await refusal(f, [...before, notOptions])).toBeInstanceOf(ArgumentError)
    for (const key of names.split(', ').filter((one) => one !== 'mask')) {
      const wrong = await refusal(f, [...before, { [key]: Symbol('wrong') }])
      expect(wrong).toBeInstanceOf(CotangentError)
      expect((wrong as Error).message).toContain(`${key} is `)
    }
  })
})

test('an option is named that may have been meant', () => {
  const x = np.ones([3])
  const loose = (f: unknown): Fn => f as Fn
  expect(() => loose(nn.layerNorm)({}, x, { epsilon: 1 })).toThrow(
    'nn.layerNorm: there is no option epsilon: did you mean eps? it takes eps',
  )
  expect(() => loose(np.sum)(x, { keepDims: true })).toThrow('did you mean keepdims?')
  expect(() => loose(np.sum)(x, { colour: true })).toThrow(/there is no option colour: it takes/)
})

test('what lists hand along with an element is no argument', () => {
  const xs = [np.array([1, 4]), np.array([9, 16])]
  expect(xs.map(np.sqrt as (x: unknown) => unknown).length).toBe(2)
  expect(xs.reduce(np.add as never)).toBeInstanceOf(np.array(0).constructor)
  expect(() => (np.sqrt as Fn)(xs[0], 1, xs.slice())).not.toThrow(TypeError)
  expect(() => (np.sqrt as Fn)(xs[0], 1, 2)).toThrow(ArgumentError)
})

test('options that a type names are declared', () => {
  const files = ['src', 'transforms'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((f) => `${folder}/${f}`),
  )
  const undeclared = files
    .filter((name) => name.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\b(?:takes|composed)\(([^]*?)(?:=>(?: \{)?\n|\n(?=\S))/g)])
    .flatMap(([whole, parameters]) => (/: [A-Z]\w*Options\b/.test(parameters!) ? [whole] : []))
  expect(undeclared).toEqual([])
})

test('texts that never end their nesting are refused, not followed', () => {
  for (const text of ['{ lambda ; . let a:f32[] = jit[jaxpr='.repeat(1e4), `{ lambda ; . let a:f32[] = iota[shape=${'('.repeat(1e5)}`])
    expect(() => parseJaxpr(text)).toThrow(/no more than 500 values within one another/)
})

test('a tree that contains itself is refused with the place', () => {
  const loop: unknown[] = [1]
  loop.push({ a: loop })
  expect(() => tree.leaves(loop)).toThrow('a tree contains itself: what is at the root is at [1].a again')
  expect(() => jit((x: unknown) => x)({ b: loop })).toThrow('what is at [0].b is at [0].b[1].a again')
  expect(() => tree.leaves({ a: Array(1e9) })).toThrow('a list has a hole at .a[0]: null stands for nothing')
  expect(tree.leaves([loop[0], loop[0], [[loop[0]]]])).toEqual([1, 1, 1])
})
