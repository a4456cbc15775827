/** Bad input: every refusal is a typed error that names what was called, the avals, the path in the tree, and the way out. Whole messages are held. */
import { describe, expect, test } from 'vitest'
import {
  checkJaxpr,
  CotangentError,
  customJvp,
  customVjp,
  DeletedArrayError,
  DTypeError,
  evalJaxpr,
  grad,
  hessian,
  jacrev,
  jit,
  jvp,
  linearize,
  linearTranspose,
  makeJaxpr,
  NdArray,
  np,
  parseJaxpr,
  random,
  ShapeError,
  TracerError,
  tree,
  TreeError,
  valueAndGrad,
  vjp,
  vmap,
} from '../../src/index.ts'

const x = np.array([0.5, -1.25, 3])
const two = np.ones([2])
const whole = np.array([1, 2, 3], { dtype: 'int32' })
const double = (y: NdArray): NdArray => y.mul(2)
/** What a user of plain JavaScript may pass. */
const js = (value: unknown): never => value as never

const refuses = (f: () => unknown, Kind: new (message: string) => CotangentError, message: string): void => {
  let caught: unknown = 'nothing was refused'
  try {
    f()
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(Kind)
  expect((caught as CotangentError).message).toBe(message)
}

describe('shapes and dtypes', () => {
  test('that do not broadcast', () => {
    refuses(() => np.add(x, two), ShapeError, "add(f32[3], f32[2]): shapes don't broadcast (axis 0: 3 against 2)")
    refuses(() => jit((y: NdArray) => y.add(two))(x), ShapeError, "add(f32[3], f32[2]): shapes don't broadcast (axis 0: 3 against 2)")
  })
  test('of a matmul', () => refuses(() => two.matmul(x), ShapeError, 'matmul(f32[2], f32[3]): axis 0 has 2 elements against 3 of axis 0'))
  test('an axis out of range', () => {
    refuses(() => np.sum(x, { axis: 3 }), ShapeError, 'sum(f32[3]): axis 3 is out of range for rank 1')
    refuses(() => vmap(double, { inAxes: 1 })(x), ShapeError, 'vmap(double): axis 1 is out of range for f32[3] at [0]')
    refuses(() => vmap(double, { outAxes: 4 })(x), ShapeError, 'vmap(double): outAxes 4 is out of range for a result of rank 1')
  })
  test('mapped axes that differ', () =>
    refuses(
      () => vmap((p: { readonly a: NdArray; readonly b: NdArray }) => p.a.add(p.b))({ a: x, b: two }),
      ShapeError,
      'vmap(the function): mapped axes differ: 3 at [0].a, 2 at [0].b',
    ))
  test('dtypes that an operation has no meaning for', () => {
    refuses(() => np.bitwiseAnd(x, 1), DTypeError, "bitwiseAnd(f32[3]): an integer or bool dtype is needed: convert with astype('int32')")
    refuses(() => random.key(0).add(1), DTypeError, 'add(key<fry>[]): a key has no arithmetic: use random.*')
  })
})

describe('derivatives', () => {
  test('of what is no scalar', () => {
    const why = 'needs a function that returns a scalar, and it returned f32[3]: reduce it with .sum() or .mean(), or use jacrev'
    refuses(() => grad(double)(x), ShapeError, `grad(double) ${why}`)
    refuses(() => valueAndGrad(double)(x), ShapeError, `valueAndGrad(double) ${why}`)
  })
  test('of integers, by path', () => {
    const total = (p: { readonly w: NdArray }): NdArray => p.w.sum()
    const why = 'and only floats have gradients: choose others with argnums, or convert with astype'
    refuses(() => grad(total)({ w: whole }), DTypeError, `grad(total): argument 0 at .w is i32[3], ${why}`)
    refuses(() => hessian(double)(whole), DTypeError, `hessian(double): argument 0 is i32[3], ${why}`)
  })
  test('with respect to arguments that are not there, or twice', () => {
    const f = (a: NdArray, b: NdArray): NdArray => a.mul(b).sum()
    refuses(() => grad(f, { argnums: [2] })(x, x), ShapeError, 'grad(f): argnums has 2, but the call has 2 arguments')
    refuses(() => grad(f, { argnums: [1, 1] })(x, x), ShapeError, 'grad(f): argnums has 1 twice')
  })
  test('with hasAux, of a function without', () =>
    refuses(
      () => grad(js(double), { hasAux: true })(np.array(1)),
      TreeError,
      'grad(double) has hasAux, so it needs a function that returns [scalar, aux], and it returned *',
    ))
  test('along tangents and cotangents of other shapes, trees and dtypes', () => {
    const why = 'tangents and cotangents have the avals of what they belong to'
    refuses(() => jvp(double, [x], [two]), ShapeError, `jvp(double): f32[3] against f32[2] at [0]: ${why}`)
    refuses(() => vjp(double, x)[1](whole), ShapeError, `vjp(double): f32[3] against i32[3]: ${why}`)
    refuses(() => linearize(double, x)[1](two), ShapeError, `linearize(double): f32[3] against f32[2] at [0]: ${why}`)
    refuses(() => linearTranspose(double, x)(two), ShapeError, `linearTranspose(double): f32[3] against f32[2]: ${why}`)
    refuses(() => jvp(double, js(x), js(x)), TreeError, 'jvp(double) takes primals and tangents as lists of arguments: jvp(f, [x], [dx])')
  })
})

describe('trees', () => {
  const blocks = (last: object) => ({ blocks: [{ w: x }, { w: x }, last] })
  test('that differ', () => {
    refuses(
      () => tree.map((a) => a, blocks({ w: x }), blocks({})),
      TreeError,
      'tree.map: the trees differ at .blocks[2].w: missing on the right',
    )
    refuses(
      () => jvp((p: object) => (p as { w: NdArray }).w, [{ w: x }], [{}]),
      TreeError,
      'jvp(the function): the trees differ at [0].w: missing on the right',
    )
    refuses(
      () => linearTranspose((y: NdArray) => ({ y }), x)(js(x)),
      TreeError,
      'linearTranspose(the function): the trees differ at the root: {"y": *} on the left, * on the right',
    )
    refuses(
      () => tree.transpose(tree.structure([0, 0]), tree.structure({ a: 0 }), [{ a: 1 }, { b: 1 }]),
      TreeError,
      'tree.transpose: the structures (left) and the tree (right) differ at [1].a: missing on the right',
    )
  })
  test('axes that are no prefix', () =>
    refuses(() => vmap(double, { inAxes: [0, 0] })(x), TreeError, 'vmap(double): inAxes: 2 are given for 1 values'))
  test('leaves that are no arrays', () => {
    const why = 'leaves must be arrays, numbers or booleans (jit takes other arguments by staticArgnums)'
    refuses(() => jit(double)(js({ a: [1, { b: 'c' }] })), TreeError, `jit(double) got the string "c" at [0].a[1].b: ${why}`)
    const power = (n: number, y: NdArray): NdArray => y.pow(n)
    refuses(() => jit(power, { staticArgnums: 0 })(2, js('c')), TreeError, `jit(power) got the string "c" at [1]: ${why}`)
    refuses(() => jit(double)(js(1n)), TreeError, `jit(double) got the bigint 1 at [0]: ${why}`)
    refuses(() => grad(js(() => new Map()))(1), TreeError, `the result of grad(the function) got an instance of Map: ${why}`)
  })
})

describe('tracers', () => {
  const keep = (): NdArray => {
    let kept = x
    jit(function leaky(y: NdArray) {
      kept = y
      return y
    })(x)
    return kept
  }
  test('coerced', () => {
    const add = (y: NdArray): NdArray => y.add(Number(y))
    refuses(
      () => jit(add)(np.array(1)),
      TracerError,
      'f32[] was coerced to a JavaScript value while jit(add) is traced: use np.* or methods for arithmetic, np.where to choose, or mark the argument with staticArgnums',
    )
    refuses(
      () => grad(add)(np.array(1)),
      TracerError,
      "f32[] was coerced to a JavaScript value while grad(add) is traced: use np.* or methods for arithmetic, x.item() for a scalar's value",
    )
    refuses(
      () => Number(x),
      TracerError,
      "f32[3] was coerced to a JavaScript value: use x.item() for a scalar's value, np.* or methods for arithmetic",
    )
  })
  test('read', () => {
    const branch = (y: NdArray): NdArray => (y.item() > 0 ? y : y.neg())
    for (const [name, transform] of Object.entries({ jit, vmap }))
      refuses(
        () => transform(branch)(transform === jit ? np.array(1) : x),
        TracerError,
        `item needs the value of f32[], which isn't known while ${name}(branch) is traced: use np.where, mark the argument with staticArgnums, or read outside`,
      )
  })
  test('used after their trace', () => {
    const why = 'a tracer f32[3] of jit(leaky) was used after its trace ended: return it from the function instead'
    refuses(() => keep().sum(), TracerError, `sum: ${why}`)
    refuses(() => keep().toArray(), TracerError, `toArray: ${why}`)
    refuses(() => jit(double)(keep()), TracerError, `jit(double) at [0]: ${why}`)
    refuses(() => grad((y: NdArray) => y.sum())(keep()), TracerError, `grad(the function): ${why}`)
    refuses(() => Number(keep()), TracerError, why)
    refuses(() => jit((y: NdArray) => y.add(keep()))(x), TracerError, `add: ${why}`)
  })
})

describe('rules and jaxprs of the user', () => {
  test('a rule that is not linear in its tangents', () => {
    const f = customJvp(
      (y: NdArray) => y.sum(),
      ([y], [dy]) => [y.sum(), dy.mul(dy).sum()],
    )
    const why = "since both operands move, so it has no transpose: use vjp or grad for functions that aren't linear"
    refuses(() => grad(f)(x), CotangentError, `a product with f32[3] isn't linear, ${why}`)
    refuses(
      () => linearTranspose((y: NdArray) => y.matmul(y), x)(np.array(1)),
      CotangentError,
      `a product with f32[3] isn't linear, ${why}`,
    )
  })
  test('rules that give something else', () => {
    const total = (y: NdArray): NdArray => y.sum()
    refuses(() => customJvp(total, js(undefined)), CotangentError, 'a rule of customJvp(total) needs a function, and got undefined')
    refuses(
      () =>
        grad(
          customJvp(
            total,
            js(() => x),
          ),
        )(x),
      TreeError,
      'the rule of customJvp(total) has to give [value, tangent]',
    )
    refuses(
      () =>
        grad(
          customVjp(
            total,
            js(() => x),
            js(total),
          ),
        )(x),
      TreeError,
      'the forward rule of customVjp(total) has to give [value, residuals]',
    )
    refuses(
      () =>
        grad(
          customVjp(
            total,
            (y) => [y.sum(), y],
            js(() => x),
          ),
        )(x),
      TreeError,
      'the backward rule of customVjp(total) has to give a list with a cotangent, or null, for each of the 1 arguments',
    )
  })
  test('arrays that a jaxpr does not take', () => {
    const jaxpr = makeJaxpr((a: NdArray, b: NdArray) => a.mul(b))(x, x)
    expect(evalJaxpr(jaxpr, [x, x])[0]!.toArray()).toEqual([0.25, 1.5625, 9])
    expect(String(checkJaxpr(parseJaxpr(String(jaxpr))))).toBe(String(jaxpr))
    refuses(() => evalJaxpr(jaxpr, [x]), ShapeError, 'evalJaxpr(f32[3]): the jaxpr takes (f32[3], f32[3])')
    refuses(() => evalJaxpr(jaxpr, [x, two]), ShapeError, 'evalJaxpr(f32[3], f32[2]): the jaxpr takes (f32[3], f32[3])')
  })
})

describe('arrays that are gone', () => {
  const step = jit(
    function step(p: { readonly blocks: readonly { readonly w: NdArray }[] }, y: NdArray) {
      return p.blocks[0]!.w.add(y)
    },
    { donateArgnums: 0 },
  )
  test('donated, and read again', () => {
    const p = { blocks: [{ w: np.ones([3]) }] }
    expect(step(p, x).toArray()).toEqual([1.5, -0.25, 4])
    const why = 'f32[3] was read after it was donated to jit(step): use what it returned, or drop donateArgnums'
    refuses(() => p.blocks[0]!.w.toArray(), DeletedArrayError, `toArray: ${why}`)
    refuses(() => np.add(p.blocks[0]!.w, 1), DeletedArrayError, `add: ${why}`)
    refuses(() => step(p, x), DeletedArrayError, `jit(step) at [0].blocks[0].w: ${why}`)
    refuses(() => grad((q: typeof p) => q.blocks[0]!.w.sum())(p), DeletedArrayError, `grad(the function): ${why}`)
  })
  test('donated, and another argument too', () => {
    refuses(
      () => step({ blocks: [{ w: x }] }, x),
      DeletedArrayError,
      'jit(step) at [1]: f32[3] is donated and is another argument of the same call too: pass a copy, or drop donateArgnums',
    )
    expect(x.toArray()).toEqual([0.5, -1.25, 3])
  })
  test('disposed of', () => {
    const y = np.ones([2])
    y.dispose()
    y.dispose()
    refuses(() => jit(double)(y), DeletedArrayError, 'jit(double) at [0]: f32[2] was read after it was disposed of')
  })
})

describe('functions', () => {
  test('that return promises', () => {
    const later = async (y: NdArray): Promise<NdArray> => y
    const why = 'a transformed function must return arrays, not a promise; await outside it'
    for (const [name, f] of Object.entries({ jit, vmap, grad: js(grad) as typeof jit }))
      refuses(() => f(later)(x), TracerError, `the result of ${name}(later) got a promise: ${why}`)
    refuses(() => jacrev(js(later))(x), TracerError, `the result of vjp(jacrev(later)) got a promise: ${why}`)
    refuses(() => jit((y: NdArray) => ({ a: later(y) }))(x), TracerError, `the result of jit(the function) got a promise at .a: ${why}`)
  })
  test('that are none', () => {
    for (const [name, f] of Object.entries({ jit, vmap, grad, jacrev, vjp }))
      refuses(() => (f as (g: unknown) => unknown)(3), CotangentError, `${name} needs a function, and got the number 3`)
  })
  test('that throw keep their own error, and no trace behind', () => {
    const own = new RangeError('mine')
    const throws = (): never => {
      throw own
    }
    expect(() => jit(throws)()).toThrow(own)
    expect(() => grad(throws as (y: NdArray) => NdArray)(x)).toThrow(own)
    expect(jit(double)(x).toArray()).toEqual([1, -2.5, 6])
    expect(x.add(1)).toBeInstanceOf(NdArray)
  })
})
