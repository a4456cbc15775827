/** Arguments that nobody means, from a seed: what a type forbids, at any depth, beside arrays and functions that fit. */
import { ConcreteArray } from '../../src/core/array.ts'
import { aval } from '../../src/core/aval.ts'
import { grad, jit, np, type NdArray, random } from '../../src/index.ts'
import { deviceNamed } from '../../src/init.ts'

/** Whole numbers below n, from a congruential generator (Numerical Recipes), so that a failure repeats. */
export type Draw = (n: number) => number
export const draws = (seed: number): Draw => {
  let s = seed >>> 0
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return Math.floor((s / 2 ** 32) * n)
  }
}

/** Arrays are made once: those that a call disposes of are part of the game. */
const escaped: NdArray[] = []
jit((x: NdArray) => {
  escaped.push(x)
  return x
})(np.ones([3]))
const donated = np.ones([3])
jit((x: NdArray) => np.add(x, 1), { donateArgnums: [0] })(donated)
const disposed = np.ones([2])
disposed.dispose()
/** Of another device. */
const wasm = await deviceNamed('wasm')
const elsewhere = new ConcreteArray(aval([2], 'float32'), wasm.upload('float32', new Float32Array(2)), wasm)
const arrays: readonly unknown[] = [
  ...[np.ones([3]), np.ones([2]), np.ones([2, 3]), np.ones([3, 3]), np.ones([1, 2, 2, 2]), np.zeros([0]), np.zeros([2, 0]), np.array(2)],
  ...[np.array([[NaN, 1, Infinity]]), np.arange(3), np.array([0, 5, -9], { dtype: 'int32' }), np.array([1, 2], { dtype: 'uint32' })],
  ...[np.array([true, false, true]), np.array(true), np.ones([3], 'float64'), np.ones([3], 'float16'), np.ones([2], 'bfloat16')],
  ...[random.key(1), random.split(random.key(1), 3), escaped[0], donated, disposed, elsewhere],
]

class Point {
  readonly x = 1
  get y(): never {
    throw new Error('a getter that throws')
  }
}
const throwing = (): object =>
  new Proxy(
    {},
    {
      get: () => {
        throw new Error('a trap that throws')
      },
      ownKeys: () => {
        throw new Error('a trap that throws')
      },
    },
  )
const cyclic = (): unknown => {
  const list: unknown[] = [1]
  list.push(list)
  return list
}
const cyclicObject = (): unknown => {
  const own: Record<string, unknown> = { a: 1 }
  own['b'] = { c: own }
  return own
}
const getters = (): object =>
  Object.defineProperty({}, 'axis', {
    enumerable: true,
    get: () => {
      throw new Error('a getter that throws')
    },
  })
const numbers: readonly number[] = [-1, 0, 1, 2, 3, 7, -0, 2.5, -3.5, NaN, Infinity, -Infinity, 1e300, 2 ** 53, -(2 ** 60), 5e-324]
const texts: readonly string[] = [
  '',
  'a',
  'i',
  'ij,jk->ik',
  '...',
  'ij',
  'float32',
  'int8',
  'key',
  '__proto__',
  'length',
  '{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }',
  '\ud800',
]
const functions: readonly unknown[] = [
  ...[(x: unknown) => x, () => 1, () => undefined, () => null, (...xs: unknown[]) => xs, (x: unknown) => [x, x], () => 'text'],
  ...[(x: NdArray) => np.sum(x), (x: NdArray) => np.mul(x, x), async () => 1, grad, Math.max],
]
const others: readonly (() => unknown)[] = [
  ...[() => undefined, () => null, () => true, () => false, () => 1n, () => 2n ** 70n, () => Symbol('s'), () => new Date(0), () => /x/],
  ...[() => new Point(), () => new Map([[1, 2]]), () => new Set([1]), () => Promise.resolve(1), () => new Error('e'), () => globalThis],
  ...[throwing, cyclic, cyclicObject, getters, () => Array(3), () => [, 1], () => Array<unknown>(1e9), () => Object.freeze({ axis: 0 })], // eslint-disable-line no-sparse-arrays
  ...[() => Object.freeze([1, 2]), () => Object.create(null), () => Object.create({ axis: 0 }), () => JSON.parse('{"__proto__": 1}')],
  ...[() => new Proxy([1, 2], {}), () => new Proxy(np.ones([2]), {}), () => new Proxy(() => 1, {}), () => new String('axis')],
  ...[() => new Float32Array(3), () => new Float64Array(2), () => new Uint8Array(2), () => new BigInt64Array(2), () => new Int16Array(2)],
  ...[() => new Float32Array(new SharedArrayBuffer(8)), () => new DataView(new ArrayBuffer(8)), () => new ArrayBuffer(8)],
  ...[
    () => new Uint8ClampedArray(2),
    () => new Uint32Array(2),
    () => new Int32Array(0),
    () => [[1, 2], [3]],
    () => [[], [1]],
    () => [[[]]],
  ],
  ...[
    () => ({ length: 3 }),
    () => ({ shape: [2], dtype: 'float32' }),
    () => ({ shape: [-1], dtype: 'x' }),
    () => ({ eqns: 1, inputs: [], outs: [] }),
  ],
  ...[
    () => ({ eqns: [], inputs: [1], outs: [2] }),
    () => ({ kind: 'list', children: null }),
    () => ({ kind: 'dict', keys: [1], children: [] }),
  ],
  ...[() => ({ toString: () => { throw new Error('no text') } }), () => ({ then: 1 }), () => ({ update: 1 }), () => ({ w: np.ones([3, 2]) })], // prettier-ignore
]

export const nonsense = (draw: Draw, keys: readonly string[], depth = 0): unknown => {
  const pick = <T>(xs: readonly T[]): T => xs[draw(xs.length)]!
  const more = (): unknown => nonsense(draw, keys, depth + 1)
  switch (draw(depth < 3 ? 9 : 6)) {
    case 0:
    case 1:
      return pick(arrays)
    case 2:
      return pick(numbers)
    case 3:
      return draw(3) === 0 ? pick(texts) : pick(functions)
    case 4:
    case 5:
      return pick(others)()
    case 6:
      return Array.from({ length: draw(4) }, () => (draw(2) === 0 ? pick(numbers) : more()))
    case 7:
      return Array.from({ length: draw(4) }, more)
    default:
      return Object.fromEntries(Array.from({ length: draw(3) }, () => [keys.length > 0 && draw(4) > 0 ? pick(keys) : pick(texts), more()]))
  }
}

/** Arguments of a call: all of any kind, or most of them arrays and the last options, so that more than the first is looked at. */
export const callOf = (draw: Draw, keys: readonly string[]): readonly unknown[] => {
  if (draw(2) === 0) return Array.from({ length: draw(5) }, () => nonsense(draw, keys))
  const fitting = draw(3) === 0 ? functions : arrays
  const given = Array.from({ length: 1 + draw(3) }, () => (draw(4) === 0 ? nonsense(draw, keys) : fitting[draw(fitting.length)]))
  return keys.length === 0 || draw(2) === 0 ? given : [...given, { [keys[draw(keys.length)]!]: nonsense(draw, keys) }]
}

/** An argument as a failure shows it. */
export const show = (x: unknown, depth = 0): string => {
  try {
    if (arrays.includes(x))
      return x === escaped[0]
        ? 'escaped'
        : x === donated
          ? 'donated'
          : x === disposed
            ? 'disposed'
            : `${(x as NdArray).dtype}[${(x as NdArray).shape.join()}]`
    if (depth > 3) return '…'
    if (Array.isArray(x)) return x.length > 9 ? 'a long list' : `[${Array.from(x, (y) => show(y, depth + 1)).join(', ')}]`
    if (typeof x === 'object' && x !== null)
      return `${x.constructor === undefined ? 'bare' : x.constructor === Object ? '' : x.constructor.name}{${Object.entries(x)
        .map(([k, v]) => `${k}: ${show(v, depth + 1)}`)
        .join(', ')}}`
    return typeof x === 'string' ? JSON.stringify(x) : String(x).slice(0, 40)
  } catch {
    return 'what can’t be shown'
  }
}
