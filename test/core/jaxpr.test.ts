/** Printing, parsing and checking jaxprs: by hand here; on generated programs in test/laws. */
import { describe, expect, test } from 'vitest'
import { aval } from '../../src/core/aval.ts'
import { checkJaxpr } from '../../src/core/check.ts'
import { add, cos, mul, neg, sin } from '../../src/core/constructors.ts'
import { type Eqn, type Jaxpr, literal, variable } from '../../src/core/jaxpr.ts'
import { parseJaxpr } from '../../src/core/parse.ts'
import { printJaxpr } from '../../src/core/print.ts'
import { trace } from '../../src/core/trace.ts'
import { jit, JaxprError, makeJaxpr, type NdArray, np, random } from '../../src/index.ts'
import { commonSubexpressions, deadCode } from '../../transforms/passes.ts'
import { nightly } from '../effort.ts'

describe('text and back', () => {
  const same = (text: string): void => expect(printJaxpr(checkJaxpr(parseJaxpr(text)))).toBe(text)
  test('one equation', () => same('{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }'))
  test('none', () => same('{ lambda ; . let in () }'))
  test('params, literals, weak types, keys, effects, no results', () =>
    same(`{ lambda ; a:f32[2,3] b:f32[]* c:key<fry>[4] d:bool[0]. let
    e:f32[2] = reduce_sum[axes=(1,)] a
    f:f32[2] = max e -inf:f32[]
    g:f32[2] = mul<debug> f -0.0:f32[]
    h:f32[]* = mul b 1e-7:f32[]*
    i:u32[4,2] = random_unwrap c
    j:bool[0] = and d True:bool[]
    k:f32[2,2] = dot_general[contract=((1,), (1,)) batch=((), ()) preferred=None] a a
    l:i32[2] = convert_element_type[dtype=int32 weak=False] g
    m:f32[3] = iota[shape=(3,) dtype=float32 dimension=0]
  in (h, i, j, k, l, m, nan:f32[]) }`))
  test('jaxprs inside, at any depth, and names that are no words', () => {
    const inner = jit((x: NdArray) => jit((y: NdArray) => np.sin(y))(np.mul(x, x)))
    const text = printJaxpr(makeJaxpr((x: NdArray) => inner(inner(x)))(np.ones([2])))
    expect(text).toContain('name="the function"')
    same(text)
  })
  test('a function that draws', () => {
    const text = printJaxpr(makeJaxpr((k: NdArray) => random.normal(random.foldIn(k, 3), [2, 2]))(random.key(1)))
    expect(printJaxpr(parseJaxpr(text))).toBe(text)
  })
  test('names that are words of the grammar', () => {
    const v = Array.from({ length: 10_000 }, () => variable(aval([], 'float32')))
    const eqns = v
      .slice(1)
      .map((out, i): Eqn => ({ op: { name: 'neg', params: {} }, inputs: [v[i]!], outs: [out], effects: [], source: null }))
    const text = printJaxpr({ inputs: [v[0]!], eqns, outs: v })
    for (const word of ['in', 'let', 'inf', 'nan']) expect(text).toContain(` ${word}:f32[] = neg`)
    same(text)
    same(
      printJaxpr({
        inputs: v.slice(0, 300),
        eqns: [{ ...eqns[0]!, outs: [variable(aval([], 'float32'))], inputs: [v[8 * 26 + 26 + 13]!] }],
        outs: [v[0]!],
      }),
    )
  })
})

describe('the parser says where and what', () => {
  const refuse = (text: string, message: string): void => {
    expect(() => parseJaxpr(text)).toThrow(JaxprError)
    expect(() => parseJaxpr(text)).toThrow(message)
  }
  test.each([
    ['', 'line 1, column 1 (the end): expected { lambda ;'],
    ['{ lambda ; a:f31[3]. let in (a,) }', 'line 1, column 12 ("a:f31[3]. let in (a,) }"): expected a dtype (f16, bf16, f32,'],
    ['{ lambda ; a. let in (a,) }', 'column 12 ("a. let in (a,) }"): expected an argument and its type'],
    ['{ lambda ; a:f32[] a:f32[]. let in () }', 'column 20 ("a:f32[]. let in () }"): expected a new name: a is defined above'],
    [
      '{ lambda ; a:f32[]. let\n    b:f32[] = sin a\n    b:f32[] = sin a\n  in (b,) }',
      'line 3, column 5 ("b:f32[] = sin a"): expected a new name',
    ],
    ['{ lambda ; a:f32[]. let b:f32[] = sine a in (b,) }', 'column 35 ("sine a in (b,) }"): expected a primitive: there is no sine'],
    ['{ lambda ; a:f32[]. let b:f32[] = sin c in (b,) }', 'column 39 ("c in (b,) }"): expected a variable defined above: c isn\'t'],
    ['{ lambda ; a:f32[]. let b:f32[] = sin b in (b,) }', "expected a variable defined above: b isn't"],
    ['{ lambda ; a:f32[]. let b:f32[] sin a in (b,) }', 'column 33 ("sin a in (b,) }"): expected ='],
    ['{ lambda ; a:f32[2]. let b:f32[] = reduce_sum a in (b,) }', 'expected other params or operands: reduceSum needs the param axes'],
    ['{ lambda ; a:f32[2]. let b:f32[] = reduce_sum[axes=0] a in (b,) }', "reduceSum's param axes must be a list, each an integer"],
    ['{ lambda ; a:f32[2]. let b:f32[] = reduce_sum[axes=(0,) of=1] a in (b,) }', 'reduceSum has no param of'],
    ['{ lambda ; a:f32[2]. let b:f32[] = reduce_sum[axes=(0, a in (b,) }', 'column 58 ("in (b,) }"): expected , or )'],
    ['{ lambda ; a:f32[2]. let b:f32[2] = sin<late> a in (b,) }', 'column 40 ("<late> a in (b,) }"): expected an effect: debug'],
    ['{ lambda ; a:f32[2]. let in (a,', 'column 32 (the end): expected a variable or a literal'],
    ['{ lambda ; a:f32[2]. let in (a,) } }', 'column 36 ("}"): expected the end of the text'],
  ])('%s', refuse)
})

describe('the checker names the equation', () => {
  const a = variable(aval([3], 'float32'))
  const b = variable(aval([3], 'float32'))
  const eqn = (op: Eqn['op'], inputs: Eqn['inputs'], outs: Eqn['outs']): Eqn => ({ op, inputs, outs, effects: [], source: null })
  const sine: Eqn['op'] = { name: 'sin', params: {} }
  const refuse = (jaxpr: Jaxpr, message: string): void => {
    expect(() => checkJaxpr(jaxpr)).toThrow(JaxprError)
    expect(() => checkJaxpr(jaxpr)).toThrow(message)
  }
  test('a variable that nothing defines', () => {
    refuse(
      { inputs: [], eqns: [eqn(sine, [a], [b])], outs: [b] },
      'equation 0 (a:f32[3] = sin ?:f32[3]): a variable f32[3] is used that nothing before defines',
    )
    refuse({ inputs: [], eqns: [], outs: [a] }, 'a result: a variable f32[3] is used')
  })
  test('one that is defined later, or twice', () => {
    const c = variable(aval([3], 'float32'))
    refuse({ inputs: [a], eqns: [eqn(sine, [c], [b]), eqn(sine, [a], [c])], outs: [b] }, 'equation 0')
    refuse(
      { inputs: [a], eqns: [eqn(sine, [a], [b]), eqn(sine, [a], [b])], outs: [b] },
      'equation 1 (c:f32[3] = sin a): a variable f32[3] is defined twice',
    )
    refuse({ inputs: [a, a], eqns: [], outs: [] }, 'an argument: a variable f32[3] is defined twice')
  })
  test('avals that the primitive does not give', () => {
    const wide = variable(aval([4], 'float32'))
    refuse({ inputs: [a], eqns: [eqn(sine, [a], [wide])], outs: [] }, 'results are (f32[4]), and sin gives (f32[3])')
    refuse({ inputs: [a], eqns: [eqn(sine, [a], [])], outs: [] }, 'results are (), and sin gives (f32[3])')
    refuse({ inputs: [a], eqns: [eqn(sine, [a], [variable(aval([3], 'float32', true))])], outs: [] }, 'results are')
  })
  test('operands that the primitive refuses', () => {
    const i = variable(aval([3], 'int32'))
    refuse({ inputs: [i], eqns: [eqn(sine, [i], [variable(i.aval)])], outs: [] }, 'a float dtype is needed')
    refuse({ inputs: [a], eqns: [eqn({ name: 'add', params: {} }, [a], [b])], outs: [] }, 'add takes 2 operands, not 1')
  })
  test('params, effects and literals', () => {
    const params = { axes: 'x' } as unknown as { readonly axes: readonly number[] }
    refuse({ inputs: [a], eqns: [eqn({ name: 'reduceSum', params }, [a], [b])], outs: [] }, "reduceSum's param axes must be a list")
    refuse({ inputs: [a], eqns: [{ ...eqn(sine, [a], [b]), effects: ['late' as 'debug'] }], outs: [] }, 'there is no effect late')
    refuse({ inputs: [], eqns: [], outs: [literal(0.5, aval([], 'int32'))] }, "a result: the literal 0.5 isn't in the range of int32")
    refuse({ inputs: [], eqns: [], outs: [literal(0, aval([1], 'int32'))] }, 'a literal is a scalar, and one is i32[1]')
    refuse({ inputs: [variable(aval([-1], 'int32'))], eqns: [], outs: [] }, "the shape [-1] isn't")
  })
  test('a fault in an inner jaxpr', () => {
    const inner: Jaxpr = { inputs: [a], eqns: [eqn(sine, [b], [variable(a.aval)])], outs: [a] }
    const outer = variable(a.aval)
    const call = eqn({ name: 'jit', params: { jaxpr: inner, name: 'f' } }, [outer], [b])
    refuse(
      { inputs: [outer], eqns: [call], outs: [b] },
      'equation 0 (b:f32[3] = jit[jaxpr={ lambda ; a:f32[3]. let b:f32[3] = sin ?:f32[3] in (a,) } name=f] a): equation 0 (b:f32[3]',
    )
  })
})

test('many equations: traced, passed, printed, parsed and checked', () => {
  const n = nightly ? 200_000 : 40_000 // of which quadratic work at night would take hours
  const chain = (x: NdArray): NdArray => {
    for (let i = 0; i < n / 4; i++) x = add(mul(sin(x), cos(x)), neg(x))
    return x
  }
  const { jaxpr } = trace([aval([8], 'float32')], ([x]) => [chain(x!)], 'chain')
  expect(jaxpr.eqns.length).toBe((n / 4) * 5)
  const kept = deadCode(commonSubexpressions(jaxpr))
  expect(kept.eqns.length).toBe(jaxpr.eqns.length)
  const text = printJaxpr(kept)
  expect(printJaxpr(checkJaxpr(parseJaxpr(text)))).toBe(text)
})
