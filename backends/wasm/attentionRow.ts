/**
 * Attention of one query, as in decoding: keys and values are read once, where they lie, for all heads that share them. A score for each key,
 * their softmax in scratch memory, the weighted sum of values. Keys that a mask hides at the end, as a cache's unused places, aren't read.
 */
import { byteWidth } from '../../src/core/dtype.ts'
import type { Attention, Strided } from '../../src/core/kernel.ts'
import { byLanes, roundUp } from './address.ts'
import type { FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { Attending } from './attentionBlock.ts'
import { type Element, vectorByColumns, vectorByRows } from './dotVector.ts'
import { tanh } from './hyperbolic.ts'
import { exp, log } from './math.ts'
import { calculator, type Vec } from './vec.ts'

/** Query heads that go over their keys together: all that share them, where none hides others than the rest. */
const together = ({ group, mask }: Attention): number => (mask === null || mask.strides[1] === 0 ? group : 1)
/** Units of work: batches x so many heads. */
export const attentionRowUnits = (kernel: Attention): number => (kernel.batch * kernel.heads) / together(kernel)

/** Keys of a block that several heads go over one after another, while it is near: a multiple of the rows that are summed at a time. */
const BLOCK = 64

/** A function (pointer of each arg…, start, end) that computes a range of units. */
export const emitAttentionRow = (module: ModuleBuilder, kernel: Attention): FunctionHandle => {
  const { heads, group, keys, headDim, valueDim, scale, softcap, right, bias, mask, args } = kernel
  const n = new Attending(module, kernel, 'attentionRow')
  const { f, head, kvHead } = n
  const c = calculator(f)
  const { F, I } = c
  const count = together(kernel)
  const keysAtOnce = count === 1 ? Math.max(1, keys) : BLOCK
  const [queryBytes, sumBytes, rowBytes] = [4 * roundUp(headDim, 4), 4 * roundUp(valueDim, 4), 4 * roundUp(keys, 4)]
  const [queries, allSums, allScores] = n.blocks<3>(count * queryBytes, count * sumBytes, count * rowBytes)
  const [first, at, from, left, to, member, scaled, sums, scores, start] = n.locals(10)
  const put = (pointer: Local, value: Value): void => f.v128.store32_lane(pointer, value, 0)
  const besideOf = ({ strides }: Strided): number => 4 * (strides[3] ?? 0)
  /** Numbers from `to` on, so many of them, each of what is `beside` bytes apart from `other` on and of itself. */
  const each = (to: Value, count: Value, other: Value, beside: number, value: (own: Vec, other: Vec) => Vec, apart = 4): void => {
    n.set(at, to)
    n.set(from, other)
    n.set(left, count)
    const step = (lanes: number): void => {
      n.step(at, apart * lanes)
      n.step(from, beside * lanes)
    }
    if (beside === 4 && apart === 4)
      byLanes(n, left, (lanes, load, store) => {
        store(at, value(load(at), load(from)))
        step(lanes)
      })
    else
      n.countDown(left, 1, () => {
        f.v128.store32_lane(at, value(f.v128.load32_splat(at), f.v128.load32_splat(from)), 0)
        step(1)
      })
  }
  const eachVector = (start: Value, count: Value, body: () => void): void => {
    n.set(at, start)
    f.for('i32', 0, count, 4, () => {
      body()
      n.step(at, 16)
    })
  }
  const across = (op: (x: Vec, y: Vec) => Vec, x: Local): void => {
    f.set(x, op(x, c.lanes(x, x, 2, 3, 0, 1)))
    f.set(x, op(x, c.lanes(x, x, 1, 0, 3, 2)))
  }
  const eachHead = (body: () => void): void =>
    f.for(member, 0, count, 1, () => {
      n.set(head, n.add(first, member))
      n.set(scaled, n.times(queries, member, queryBytes))
      n.set(sums, n.times(allSums, member, sumBytes))
      n.set(scores, n.times(allScores, member, rowBytes))
      body()
    })
  /** Each head over each block of what `operand` holds: the block's address, its scores', how many there are, and the bytes between them. */
  const eachBlock = (operand: Strided, body: (block: Value, own: Value, rows: Value, apart: number, dtype: Element) => void): void => {
    const dtype = args[operand.arg] as Element
    const apart = byteWidth[dtype] * operand.strides[2]!
    f.for(start, 0, to, keysAtOnce, () =>
      eachHead(() =>
        body(
          n.element(operand, kvHead, start, 0, byteWidth[dtype]),
          n.times(scores, start, 4),
          n.min(n.sub(to, start), keysAtOnce),
          apart,
          dtype,
        ),
      ),
    )
  }
  /** The place behind the last key that is seen. */
  const findEnd = (): void => {
    const last = right === null ? keys : Math.min(keys, Math.max(0, right + 1))
    n.set(to, last)
    if (mask === null) return
    const step = besideOf(mask)
    n.set(at, n.element(mask, first, 0, last - 1))
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
  /** Scores become weights, not yet divided by their sum, which is left with the greatest score. */
  const weigh = (top: Local, sum: Local): void => {
    if (softcap !== null) eachVector(scores, to, () => f.v128.store(at, F.mul(tanh(c, c.hold(F.div(f.v128.load(at), softcap))), softcap)))
    if (bias !== null) each(scores, to, n.element(bias, head, 0, 0), besideOf(bias), (score, b) => F.add(score, b))
    if (mask !== null) each(scores, to, n.element(mask, head, 0, 0), besideOf(mask), (score, m) => c.pick(I.eq(m, 0), -Infinity, score))
    // Up to a whole vector nothing is seen.
    n.set(at, n.times(scores, to, 4))
    f.for('i32', to, n.mul(n.div(n.add(to, 3), 4), 4), 1, () => {
      put(at, f.constant('f32x4', -Infinity))
      n.step(at, 4)
    })
    f.set(top, f.constant('f32x4', -Infinity))
    eachVector(scores, to, () => f.set(top, F.pmax(top, f.v128.load(at))))
    across((x, y) => F.pmax(x, y), top)
    // A row that sees nothing: any finite maximum gives exp(-infinity) = 0.
    f.set(top, c.pick(F.eq(top, -Infinity), 0, top))
    f.set(sum, f.constant('f32x4', 0))
    eachVector(scores, to, () => {
      const e = c.hold(exp(c, c.hold(F.sub(f.v128.load(at), top))))
      f.v128.store(at, e)
      f.set(sum, F.add(sum, e))
    })
    across((x, y) => F.add(x, y), sum)
  }

  const [top, sum] = [f.local('v128'), f.local('v128')]
  n.eachUnit(heads / count, first, () => {
    n.set(first, n.mul(first, count))
    n.set(kvHead, n.div(first, group))
    findEnd()
    eachHead(() => each(scaled, headDim, n.element(kernel.query, head, 0, 0), besideOf(kernel.query), (_, x) => F.mul(x, scale)))
    eachBlock(kernel.key, (block, own, rows, apart, dtype) =>
      n.call(vectorByRows(module, dtype), scaled, block, own, apart, headDim, 0, rows),
    )
    n.clear(allSums, count * sumBytes)
    eachHead(() => {
      weigh(top, sum)
      const blind = c.hold(F.eq(sum, 0))
      const inverse = c.hold(F.div(1, c.pick(blind, 1, sum)))
      eachVector(scores, to, () => f.v128.store(at, F.mul(f.v128.load(at), inverse)))
      n.set(at, n.element(kernel.lse, head, 0, 0))
      put(at, c.pick(blind, -Infinity, F.add(top, log(c, c.hold(c.pick(blind, 1, sum))))))
    })
    eachBlock(kernel.value, (block, own, rows, apart, dtype) => n.call(vectorByColumns(module, dtype), own, block, sums, apart, rows, 1, valueDim)) // prettier-ignore
    eachHead(() => each(n.element(kernel.out, head, 0, 0), valueDim, sums, 4, (_, x) => x, besideOf(kernel.out)))
  })
  return f
}
