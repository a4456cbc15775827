/** Seeing inside programs: what went wrong, where, and why something was compiled again. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { checkify, debug, explainMiss, grad, jit, lax, type NdArray, np, valueAndGrad, vmap } from '../../src/index.ts'
import { placeOf } from '../../src/core/source.ts'

/** What f throws. */
const caught = (f: () => unknown): Error => {
  try {
    f()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

describe('debug.nans', () => {
  afterEach(() => debug.nans(false))
  const bad = (x: NdArray): NdArray => np.sum(np.log(np.sub(x, 1)))
  const x = np.array([2, 0.5])

  test('the operation and the line are named, eager or jitted', () => {
    debug.nans(true)
    expect(caught(() => bad(x))).toMatchObject({
      name: 'NanError',
      message: expect.stringMatching(/^log\(f32\[2\]\) made a NaN at .*bad .*seeing\.test\.ts:\d+/) as string,
    })
    const found = caught(() => jit(bad)(x))
    expect(found.message).toMatch(/^jit\(bad\): log\(f32\[2\]\) made a NaN at .*bad .*seeing\.test\.ts:\d+/)
    expect(np.log(x).toArray()).toEqual([Math.fround(Math.LN2), Math.fround(Math.log(0.5))])
  })
  test('backward too: the trap of where', () => {
    const trap = (y: NdArray): NdArray => np.sum(np.where(np.greater(y, 0), np.sqrt(y), 0))
    const zero = np.array([0, 4])
    expect(grad(trap)(zero).toArray()).toEqual([NaN, 0.25])
    debug.nans(true)
    expect(caught(() => grad(trap)(zero)).message).toMatch(/(div|mul)\(f32\[2\], f32\[2\]\) made a NaN at .*trap .*seeing\.test\.ts/)
    expect(caught(() => jit(grad(trap))(zero)).message).toMatch(/made a NaN at .*trap/)
    const mended = (y: NdArray): NdArray => np.sum(np.safeWhere(np.greater(y, 0), np.sqrt, y, 0))
    expect(valueAndGrad(mended)(zero).map((v) => v.toArray())).toEqual([2, [0, 0.25]])
  })
  test('inside loops and branches', () => {
    debug.nans(true)
    const loop = (y: NdArray): NdArray => lax.scan((c: NdArray, z: NdArray) => [np.log(np.sub(c, z)), c], y, np.ones([3]))[0]
    expect(caught(() => jit(loop)(np.array(5))).message).toMatch(/log\(f32\[\]\) made a NaN at .*seeing/)
    const branch = (y: NdArray): NdArray => lax.cond(y.less(0), (z: NdArray) => np.sqrt(z), (z) => z, y) // prettier-ignore
    expect(caught(() => jit(branch)(np.array(-5))).message).toMatch(/sqrt\(f32\[\]\) made a NaN/)
    const repeat = (y: NdArray): NdArray => lax.whileLoop((z) => z.less(3), (z) => np.add(np.sqrt(np.sub(z, 1)), z.add(1)), y) // prettier-ignore
    expect(caught(() => jit(repeat)(np.array(0.5))).message).toMatch(/sqrt\(f32\[\]\) made a NaN/)
  })
  test('NaN that comes in is nobody’s fault, and donated arguments are said to be gone', () => {
    debug.nans(true)
    expect(jit((y: NdArray) => np.add(y, 1))(np.array(NaN)).item()).toBeNaN()
    expect(caught(() => jit(bad, { donateArgnums: 0 })(np.array([0.5]))).message).toMatch(/its donated arguments are gone/)
  })
})

describe('checkify', () => {
  const f = (x: NdArray, i: NdArray): NdArray => np.div(np.take(x, i), np.sub(x.slice(0), 1))
  const x = np.array([2, 3])
  const index = (i: number): NdArray => np.array(i, { dtype: 'int32' })
  test('the first fault is named with its line, also jitted, mapped and in a gradient', () => {
    const [fine, y] = checkify(f)(x, index(1))
    expect([fine.get(), y.item()]).toEqual([null, 3])
    fine.throw()
    expect(checkify(f)(x, index(7))[0].get()).toMatch(/^gather\(.*\) got an index out of range, at .*f .*seeing\.test\.ts/)
    const one = np.array([1, 1])
    const [found] = jit(checkify(f))(one, index(0))
    expect(() => found.throw()).toThrow(/^div\(f32\[\], f32\[\]\) divided by zero, at .*seeing/)
    expect(caught(() => found.throw()).name).toBe('CheckError')
    expect(checkify(f, { errors: ['nan'] })(one, index(0))[0].get()).toBe(null)
    const [each] = vmap(checkify((z: NdArray) => np.log(z)))(np.array([1, -1, 0]))
    expect(each.get()).toMatch(/^log\(f32\[\]\) gave a NaN, in example 1, at /)
    const trap = (z: NdArray): NdArray => np.where(z.greater(0), np.sqrt(z), 0)
    expect(checkify(grad(trap), { errors: ['nan'] })(np.array(0))[0].get()).toMatch(/gave a NaN, at .*trap/)
  })
  test('loops and branches are looked into, and their results are what they were', async () => {
    const scanned = checkify((z: NdArray) => lax.scan((c: NdArray, y: NdArray) => [np.sub(c, y), np.sqrt(c)], z, np.ones([3])))
    const [found, [last, stack]] = scanned(np.array(1))
    expect(await found.read()).toMatch(/^sqrt\(f32\[\]\) gave a NaN, at /)
    expect([last.item(), stack.toArray()]).toEqual([-2, [1, 0, NaN]])
    expect(scanned(np.array(5))[0].get()).toBe(null)
    const loop = checkify((z: NdArray) => lax.whileLoop((y) => y.greater(-2), (y) => np.sub(np.sub(y, 1), np.mul(np.div(1, y), 0)), z)) // prettier-ignore
    expect(loop(np.array(1.5))[0].get()).toBe(null)
    expect(loop(np.array(1))[0].get()).toMatch(/^div\(f32\[\], f32\[\]\) divided by zero/)
    const branch = jit(checkify((z: NdArray) => lax.cond(z.less(0), (y: NdArray) => np.log(y), (y) => y, z))) // prettier-ignore
    expect([branch(np.array(1))[0].get(), branch(np.array(-1))[0].get()]).toEqual([null, expect.stringMatching(/^log/)])
  })
  test('unknown checks are refused', () =>
    expect(() => checkify(f, { errors: ['oob' as never] })).toThrow(
      /errors is a list, each one of "index", "div", "nan", and got \["oob"\]/,
    ))
})

describe('tracers that are kept', () => {
  test('the error names the function and the line that made it', () => {
    let kept: NdArray | null = null
    let line = ''
    jit((x: NdArray) => {
      line = String(Number(/:(\d+):\d+\)?$/.exec(placeOf(new Error()))![1]) + 1)
      kept = np.sin(x)
      return x
    })(np.array(1))
    const { message, name } = caught(() => np.add(kept!, 1))
    expect(name).toBe('TracerError')
    expect(message).toMatch(/^add: a tracer f32\[\] of jit\(the function\) was used after its trace ended: .* \(made at /)
    expect(message).toContain(`seeing.test.ts:${line}:`)
  })
})

describe('functions that are compiled again and again', () => {
  afterEach(() => debug.compileWarnings(8))
  test('a warning says which argument changed, from what to what', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    debug.compileWarnings(3)
    const f = jit((x: NdArray, n: number) => np.mul(x, n), { staticArgnums: 1 })
    for (const n of [1, 2]) f(np.ones([2]), n)
    f(np.ones([5]), 2)
    await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1), { timeout: 600_000 })
    expect(warn.mock.calls[0]![0]).toMatch(
      /^jit\(the function\) was traced and compiled 3 times.*\n  a static argument was 1 and is 2\n  argument \[0\] was f32\[2\] and is f32\[5\]$/,
    )
    expect(explainMiss(f)).toEqual(['a static argument was 1 and is 2', 'argument [0] was f32[2] and is f32[5]'])
    expect(() => explainMiss(np.sin)).toThrow(/explainMiss\(.*\): the function isn't jitted/)
    debug.compileWarnings(false)
    const g = jit((x: NdArray) => x.sum())
    for (let n = 0; n < 12; n++) g(np.ones([n]))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(warn).toHaveBeenCalledTimes(1)
    expect(() => debug.compileWarnings(0)).toThrow(/a whole number from 2 on/)
    warn.mockRestore()
  })
})
