/** What is inferred of loops, branches and checkpoints; the compiler runs this file, and vitest says that it did. */
import { expectTypeOf, test } from 'vitest'
import { checkpoint, grad, lax, np, type NdArray } from '../../src/index.ts'

const x = np.ones([3])
interface State {
  readonly sum: NdArray
  readonly n: number
}

test('the carry, the elements and the stack are typed by what goes in', () => {
  const state: State = { sum: np.zeros([]), n: 0 }
  const [last, stack] = lax.scan(
    (s, { a }) => {
      expectTypeOf(s).toEqualTypeOf<{ readonly sum: NdArray; readonly n: NdArray }>()
      return [{ sum: s.sum.add(a), n: s.n.add(1) }, [s.sum, a] as const]
    },
    state,
    { a: x },
  )
  expectTypeOf(last).toEqualTypeOf<{ readonly sum: NdArray; readonly n: NdArray }>()
  expectTypeOf(stack).toEqualTypeOf<readonly [NdArray, NdArray]>()
  expectTypeOf(lax.whileLoop((y) => y.less(3), (y) => y.add(1), 0)).toEqualTypeOf<NdArray>() // prettier-ignore
  expectTypeOf(lax.foriLoop(0, 3, (i, [a, b]) => [a.add(i), b] as const, [x, x] as const)).toEqualTypeOf<readonly [NdArray, NdArray]>()
  expectTypeOf(lax.cond(true, (y: NdArray) => ({ y }), (y) => ({ y }), x)).toEqualTypeOf<{ y: NdArray }>() // prettier-ignore
  expectTypeOf(lax.map(({ a }) => [a, a] as const, { a: x })).toEqualTypeOf<readonly [NdArray, NdArray]>()
  const f = checkpoint((p: { w: NdArray }, y: NdArray) => np.sum(p.w.mul(y)))
  expectTypeOf(f).toEqualTypeOf<(p: { w: NdArray }, y: NdArray) => NdArray>()
  expectTypeOf(grad(f)({ w: x }, x)).toEqualTypeOf<{ w: NdArray }>()
})

test('wrong uses are no programs', () => {
  const wrong = (): unknown[] => [
    // @ts-expect-error the carry that goes out isn't the one that comes in
    lax.scan((s: NdArray, y: NdArray) => [{ s }, y], x, x),
    // @ts-expect-error a pair is needed
    lax.scan((s: NdArray, y: NdArray) => s.add(y), x, x),
    // @ts-expect-error branches give one type
    lax.cond(true, (y: NdArray) => y, (y: NdArray) => [y], x), // prettier-ignore
    // @ts-expect-error branches take the operands
    lax.cond(true, (y: NdArray, z: NdArray) => y.add(z), (y: NdArray) => y, x), // prettier-ignore
    // @ts-expect-error there is no such policy
    checkpoint((y: NdArray) => y, { policy: 'dot' }),
  ]
  expectTypeOf(wrong).toBeFunction()
})
