/** Whatever a function is given, it answers or refuses with an error of the family that names it; nothing escapes from the inside. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { CotangentError, jit, lax, type NdArray, nn, np, optim, random, tree } from '../../src/index.ts'
import { onDevice } from '../device.ts'
import { tries } from '../effort.ts'

/** A small congruential generator (Numerical Recipes), so that a failure repeats. */
const draws = (seed: number): ((n: number) => number) => {
  let s = seed
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return Math.floor((s / 2 ** 32) * n)
  }
}

onDevice(reference() as Backend) // nothing to compile
const kept: NdArray[] = []
jit((x: NdArray) => {
  kept.push(x)
  return x
})(np.ones([3]))
const donated = np.ones([3])
jit((x: NdArray) => np.add(x, 1), { donateArgnums: [0] })(donated)

const arrays = (): unknown[] => [
  np.ones([3]),
  np.ones([2]),
  np.ones([2, 3]),
  np.array([[NaN, 1, 2]]),
  np.zeros([0]),
  np.array(2),
  np.arange(3),
  np.array([0, 5, -9], { dtype: 'int32' }),
  np.array([1, 2], { dtype: 'uint32' }),
  np.array([true, false, true]),
  random.key(1),
  random.split(random.key(1), 3),
]
const odd: readonly unknown[] = [
  ...[kept[0], donated, 'a', undefined, null, NaN, -1, 0, 1, 2.5, Infinity, 7, true, 1n, Symbol('s'), () => 1, new Date(0)],
  ...[
    [],
    [0],
    [1, 0],
    [2, -1],
    [[0], [0]],
    [1, [2]],
    ['a'],
    [null],
    {},
    { axis: 9 },
    { axis: 'x' },
    { axis: [0, 0] },
    { dtype: 'int8' },
    { w: 1 },
  ],
  ...[{ lr: 'x' }, { lr: 0.1 }, { shape: [-1] }, { mode: 'x' }, 'ij,jk', '...', { from: 1, to: 'b' }, { minval: 'a' }, { approximate: 3 }],
]

/** Functions that are another under a second name, or a primitive under JAX's. */
const also: Readonly<Record<string, string>> = {
  negative: 'neg',
  subtract: 'sub',
  multiply: 'mul',
  divide: 'div',
  power: 'pow',
  bitwiseNot: 'not',
  bitwiseAnd: 'and',
  bitwiseOr: 'or',
  bitwiseXor: 'xor',
}
const names = (message: string, name: string): boolean =>
  [name, also[name]].some((n) => n !== undefined && new RegExp(`^(\\w+\\.)*${n}\\b`).test(message))

const show = (x: unknown): string => {
  if (typeof x === 'object' && x !== null && 'aval' in x)
    return x === kept[0] ? 'kept' : x === donated ? 'donated' : `${(x as NdArray).dtype}[${(x as NdArray).shape.join()}]`
  if (Array.isArray(x)) return `[${x.map(show).join(', ')}]`
  return typeof x === 'object' && x !== null ? `{${Object.entries(x).map(([k, v]) => `${k}: ${show(v)}`).join(', ')}}` : String(x) // prettier-ignore
}

type Fn = (...args: readonly unknown[]) => unknown
/** Classes aside. */
const functions = (prefix: string, space: object): [string, string, Fn][] =>
  Object.entries(space)
    .filter(([, f]) => typeof f !== 'function' || !String(f).startsWith('class'))
    .flatMap(([name, f]): [string, string, Fn][] =>
      typeof f === 'function' ? [[`${prefix}.${name}`, name, f as Fn]] : functions(`${prefix}.${name}`, f as object),
    )
/** What is wrong with the answer to these arguments. */
const fault = (name: string, f: Fn, args: readonly unknown[]): string | null => {
  try {
    f(...args)
    return null
  } catch (error) {
    if (!(error instanceof CotangentError)) return `${String(error)}`
    return names(error.message, name) ? null : `doesn't name it: ${error.message}`
  }
}

const spaces = { np, lax, random, nn, optim, tree }
describe.each(Object.entries(spaces).flatMap(([prefix, space]) => functions(prefix, space)))('%s', (full, name, f) => {
  test('answers, or refuses by name', () => {
    const draw = draws(full.length * 7919 + full.charCodeAt(full.length - 1))
    const faults = new Map<string, string>()
    for (let i = 0; i < tries(60); i++) {
      const pool = draw(3) === 0 ? odd : [...arrays(), ...odd]
      const args = Array.from({ length: draw(5) }, () => pool[draw(pool.length)])
      const found = fault(name, f, args)
      if (found !== null && !faults.has(found)) faults.set(found, `${full}(${args.map(show).join(', ')}): ${found}`)
    }
    expect([...faults.values()]).toEqual([])
  })
})

test("the reference device refuses what its lists don't hold", () => {
  for (const f of [() => nn.oneHot(np.zeros([1024], 'int32'), 2 ** 30), () => np.arange(2 ** 27), () => np.ones([2 ** 14, 2 ** 14])])
    expect(f).toThrow(/reference: \d+ bytes asked for, and its arrays have less than 536870912/)
})
