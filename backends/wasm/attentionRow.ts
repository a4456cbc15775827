/**
 * Attention of one query, as in decoding: keys and values are read once, where they lie. A score for each key, their softmax in scratch
 * memory, the weighted sum of values. Keys that a mask hides at the end, as a cache's unused places, aren't read.
 */
import type { Attention, Strided } from '../../src/core/kernel.ts'
import { roundUp } from './address.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Attending } from './attentionBlock.ts'
import { vectorByColumns, vectorByRows } from './dotVector.ts'
import { tanh } from './hyperbolic.ts'
import { exp, log } from './math.ts'
import { calculator, type Vec } from './vec.ts'

const isDense = ({ strides }: Strided): boolean => strides[3] === 1
export const isAttentionRow = ({ queries, dropout, query, key, value, out }: Attention): boolean =>
  queries === 1 && dropout === null && [query, key, value, out].every(isDense)

/** A function (pointer of each arg…, start, end) that computes a range of (batch, head). */
export const emitAttentionRow = (module: ModuleBuilder, kernel: Attention): FunctionHandle => {
  const { heads, group, keys, headDim, valueDim, scale, softcap, right, bias, mask } = kernel
  const n = new Attending(module, kernel, 'attentionRow')
  const { f, head, kvHead } = n
  const c = calculator(f)
  const { F, I } = c
  const [scaled, scores] = n.blocks<2>(4 * roundUp(headDim, 4), 4 * roundUp(keys, 4))
  const [at, from, to, out] = n.locals(4)
  const one = (pointer: Local): Vec => f.v128.load32_splat(pointer)
  const put = (pointer: Local, value: Value): void => f.v128.store32_lane(pointer, value, 0)
  /** Each number from `start` on, so many of them, `bytes` apart at `other`. */
  const each = (start: Value, count: Value, other: Value, bytes: number, body: () => void): void => {
    n.set(at, start)
    n.set(from, other)
    f.for('i32', 0, count, 1, () => {
      body()
      n.step(at, 4)
      n.step(from, bytes)
    })
  }
  const eachVector = (start: Value, count: Value, body: () => void): void => {
    n.set(at, start)
    f.for('i32', 0, count, 4, () => {
      body()
      n.step(at, 16)
    })
  }
  const besideKeys = ({ strides }: Strided): number => 4 * (strides[3] ?? 0)
  const across = (op: (x: Vec, y: Vec) => Vec, x: Local): void => {
    f.set(x, op(x, c.lanes(x, x, 2, 3, 0, 1)))
    f.set(x, op(x, c.lanes(x, x, 1, 0, 3, 2)))
  }

  n.eachUnit(heads, head, () => {
    n.set(kvHead, n.div(head, group))
    const last = right === null ? keys : Math.min(keys, Math.max(0, right + 1))
    n.set(to, last)
    if (mask !== null) {
      const step = besideKeys(mask)
      n.set(at, n.element(mask, head, 0, last - 1))
      f.loop((again) => {
        n.when(n.gt(to, 0), () =>
          n.when(n.eq(f.i32.load(at), 0), () => {
            n.step(to, -1)
            n.step(at, -step)
            f.br(again)
          }),
        )
      })
    }
    each(scaled, headDim, n.element(kernel.query, head, 0, 0), 4, () => put(at, F.mul(one(from), scale)))
    n.call(vectorByRows(module), scaled, n.element(kernel.key, kvHead, 0, 0), scores, 4 * kernel.key.strides[2]!, headDim, 0, to)
    if (softcap !== null) eachVector(scores, to, () => f.v128.store(at, F.mul(tanh(c, c.hold(F.div(f.v128.load(at), softcap))), softcap)))
    if (bias !== null) each(scores, to, n.element(bias, head, 0, 0), besideKeys(bias), () => put(at, F.add(one(at), one(from))))
    if (mask !== null)
      each(scores, to, n.element(mask, head, 0, 0), besideKeys(mask), () => put(at, c.pick(I.eq(one(from), 0), -Infinity, one(at))))
    // Up to a whole vector nothing is seen.
    n.set(at, n.times(scores, to, 4))
    f.for('i32', to, n.mul(n.div(n.add(to, 3), 4), 4), 1, () => {
      put(at, f.constant('f32x4', -Infinity))
      n.step(at, 4)
    })
    const top = c.hold(f.constant('f32x4', -Infinity))
    eachVector(scores, to, () => f.set(top, F.pmax(top, f.v128.load(at))))
    across((x, y) => F.pmax(x, y), top)
    // A row that sees nothing: any finite maximum gives exp(-infinity) = 0.
    f.set(top, c.pick(F.eq(top, -Infinity), 0, top))
    const sum = c.hold(f.constant('f32x4', 0))
    eachVector(scores, to, () => {
      const e = c.hold(exp(c, c.hold(F.sub(f.v128.load(at), top))))
      f.v128.store(at, e)
      f.set(sum, F.add(sum, e))
    })
    across((x, y) => F.add(x, y), sum)
    n.set(out, n.element(kernel.out, head, 0, 0))
    n.clear(out, 4 * valueDim)
    n.call(vectorByColumns(module), scores, n.element(kernel.value, kvHead, 0, 0), out, 4 * kernel.value.strides[2]!, to, 1, valueDim)
    const blind = c.hold(F.eq(sum, 0))
    each(out, valueDim, out, 4, () => put(at, F.div(one(at), c.pick(blind, 1, sum))))
    n.set(at, n.element(kernel.lse, head, 0, 0))
    put(at, c.pick(blind, -Infinity, F.add(top, log(c, c.hold(c.pick(blind, 1, sum))))))
  })
  return f
}
