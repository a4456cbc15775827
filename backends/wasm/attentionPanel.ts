/**
 * What attention does to scores between its products. Scores of eight queries form a panel: a row of eight for each key, 32 bytes,
 * which is both a column of register tiles and a packed operand of the next product. So all of softmax is vertical.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { type Integers, shared } from './address.ts'
import { transposeRows } from './dotPack.ts'
import { tileRows } from './dotTile.ts'
import { threefry } from './threefry.ts'
import { tanh } from './hyperbolic.ts'
import { exp, log } from './math.ts'
import { type Calculator, calculator, type Vec } from './vec.ts'

/** Queries of a panel, and the bytes of a row. */
export const panelQueries = 8
export const rowBytes = 32

const lowest = -Infinity
/** Offsets of a row's two vectors. */
const halves = [0, 16] as const

const at = (f: FunctionBuilder, pointer: Local, offset: number): Vec => f.v128.load(pointer, offset)

const put = (f: FunctionBuilder, pointer: Local, offset: number, value: Vec): void => f.v128.store(pointer, value, offset)

/** Which query of the panel each lane is. */
const queryLanes = ({ f }: Calculator, half: number): Vec => f.constant('i32x4', ...[0, 1, 2, 3].map((lane) => lane + half / 4))

const expOf = (c: Calculator, x: Vec): Local => c.hold(exp(c, x))

/** Runs `body` for `rows` rows, the pointers moving on. */
const eachRow = (n: Integers, pointers: readonly Local[], rows: Local, body: (half: number) => void): void =>
  n.countDown(rows, 1, () => {
    halves.forEach(body)
    for (const pointer of pointers) n.step(pointer, rowBytes)
  })

/** (to, from, rows): combines two panels. */
const combine = (module: ModuleBuilder, name: string, op: (c: Calculator, x: Vec, y: Vec) => Vec): FunctionHandle =>
  shared(module, `${name}Panel`, 3, (n, to, from, rows) => {
    const c = calculator(n.f)
    eachRow(n, [to, from], rows, (v) => put(n.f, to, v, op(c, at(n.f, to, v), at(n.f, from, v))))
  })

export const addPanel = (module: ModuleBuilder): FunctionHandle => combine(module, 'add', ({ F }, x, y) => F.add(x, y))
export const multiplyPanel = (module: ModuleBuilder): FunctionHandle => combine(module, 'multiply', ({ F }, x, y) => F.mul(x, y))
/** -infinity where the word `from` is 0 */
export const maskPanel = (module: ModuleBuilder): FunctionHandle => combine(module, 'mask', (c, x, y) => c.pick(c.I.eq(y, 0), lowest, x))

/** (to, rows, factors): every row of `to` is multiplied by the row `factors`. */
export const scalePanel = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'scalePanel', 3, (n, to, rows, factors) => {
    const { f } = n
    const c = calculator(f)
    const by = halves.map((v) => c.hold(at(f, factors, v)))
    eachRow(n, [to], rows, (v) => put(f, to, v, c.F.mul(at(f, to, v), by[v / 16] as Local)))
  })

/** (x, y, rows, sums): the row `sums` becomes Σ x·y. */
export const dotPanels = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'dotPanels', 4, (n, x, y, rows, to) => {
    const { f } = n
    const { F } = calculator(f)
    const sums = halves.map(() => f.local('v128'))
    eachRow(n, [x, y], rows, (v) => f.set(sums[v / 16] as Local, F.add(sums[v / 16] as Local, F.mul(at(f, x, v), at(f, y, v)))))
    for (const v of halves) put(f, to, v, sums[v / 16] as Local)
  })

/** (to, rows, slopes): scores become softcap · tanh(score / softcap); in a gradient with their derivatives, 1 - tanh², beside them. */
export const capPanel = (module: ModuleBuilder, softcap: number, sloped: boolean): FunctionHandle =>
  shared(module, `cap${softcap},${sloped}`, 3, (n, to, rows, slopes) => {
    const { f } = n
    const c = calculator(f)
    const { F } = c
    eachRow(n, [to, slopes], rows, (v) => {
      const t = c.hold(tanh(c, c.hold(F.div(at(f, to, v), softcap))))
      put(f, to, v, F.mul(t, softcap))
      if (sloped) put(f, slopes, v, F.sub(1, F.mul(t, t)))
    })
  })

/** (to, rows, distance): hides keys outside the window; distance is the first row's key less the first query. */
export const windowPanel = (module: ModuleBuilder, left: number | null, right: number | null): FunctionHandle =>
  shared(module, `window${left},${right}`, 3, (n, to, rows, distance) => {
    const { f } = n
    const c = calculator(f)
    const { I } = c
    const away = halves.map((v) => c.hold(I.sub(f.i32x4.splat(distance), queryLanes(c, v))))
    eachRow(n, [to], rows, (v) => {
      const d = away[v / 16] as Local
      const near = left === null ? at(f, to, v) : c.pick(I.lt_s(d, -left), lowest, at(f, to, v))
      put(f, to, v, right === null ? near : c.pick(I.gt_s(d, right), lowest, near))
      f.set(d, I.add(d, 1))
    })
  })

/** Bytes of a panel's statistics: rows of the maximum, the sum, the correction, and logsumexp. */
export const statsBytes = 4 * rowBytes

/** (stats): a new panel's. */
export const resetStats = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'resetStats', 1, ({ f }, stats) => {
    for (const v of halves) {
      put(f, stats, v, f.constant('f32x4', lowest))
      put(f, stats, rowBytes + v, f.constant('f32x4', 0))
    }
  })

/**
 * (scores, rows, stats): one block of an online softmax. Scores become exp(score - max) with max the greatest so far, the sum includes them,
 * and the correction is by what earlier blocks must be multiplied. NaNs pass through exp.
 */
export const softmaxPanel = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'softmaxPanel', 3, (n, scores, rows, stats) => {
    const { f } = n
    const c = calculator(f)
    const { F } = c
    const [p, left] = n.locals(2)
    const pass = (body: (half: number) => void) => {
      n.set(p, scores)
      n.set(left, rows)
      eachRow(n, [p], left, body)
    }
    const max = halves.map((v) => c.hold(at(f, stats, v)))
    pass((v) => f.set(max[v / 16] as Local, F.pmax(max[v / 16] as Local, at(f, p, v))))
    const sums = halves.map((v) => {
      const top = max[v / 16] as Local
      const before = c.hold(at(f, stats, v))
      put(f, stats, v, top)
      // A row that has seen nothing yet: any finite maximum gives exp(-infinity) = 0.
      f.set(top, c.pick(F.eq(top, lowest), 0, top))
      const correction = expOf(c, F.sub(before, top))
      put(f, stats, 2 * rowBytes + v, correction)
      return c.hold(F.mul(at(f, stats, rowBytes + v), correction))
    })
    pass((v) => {
      const weight = expOf(c, F.sub(at(f, p, v), max[v / 16] as Local))
      put(f, p, v, weight)
      f.set(sums[v / 16] as Local, F.add(sums[v / 16] as Local, weight))
    })
    for (const v of halves) put(f, stats, rowBytes + v, sums[v / 16] as Local)
  })

/** (stats): the correction becomes 1/sum (0 for a row that saw nothing), the last row logsumexp. */
export const finishStats = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'finishStats', 1, ({ f }, stats) => {
    const c = calculator(f)
    const { F } = c
    for (const v of halves) {
      const sum = c.hold(at(f, stats, rowBytes + v))
      put(f, stats, 2 * rowBytes + v, c.pick(F.eq(sum, 0), 0, F.div(1, sum)))
      put(f, stats, 3 * rowBytes + v, F.add(at(f, stats, v), log(c, sum)))
    }
  })

/** (lse, queries): rows that saw nothing, and lanes without a query, get +infinity, so that exp(score - lse) is 0. */
export const guardLse = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'guardLse', 2, ({ f }, lse, queries) => {
    const c = calculator(f)
    for (const v of halves) {
      const none = c.B.or(c.F.eq(at(f, lse, v), lowest), c.I.ge_s(queryLanes(c, v), f.i32x4.splat(queries)))
      put(f, lse, v, c.pick(none, Infinity, at(f, lse, v)))
    }
  })

/**
 * (scores, dWeights, dropout, rows, lse, delta): scores become weights p = exp(score - lse), dWeights become dScores = p (dWeights - delta).
 * Dropout's multiplier goes into both: the kept weights and their cotangents.
 */
export const softmaxGradPanel = (module: ModuleBuilder, dropout: boolean): FunctionHandle =>
  shared(module, `softmaxGrad${dropout}`, 6, (n, scores, dWeights, kept, rows, lse, delta) => {
    const { f } = n
    const c = calculator(f)
    const { F } = c
    const [ls, deltas] = [lse, delta].map((row) => halves.map((v) => c.hold(at(f, row, v)))) as [Local[], Local[]]
    eachRow(n, [scores, dWeights, kept], rows, (v) => {
      const p = expOf(c, F.sub(at(f, scores, v), ls[v / 16] as Local))
      const times = (value: Vec): Vec => (dropout ? F.mul(value, at(f, kept, v)) : value)
      put(f, dWeights, v, F.mul(p, F.sub(times(at(f, dWeights, v)), deltas[v / 16] as Local)))
      put(f, scores, v, times(p))
    })
  })

/** (to, rows, first, keys, key): dropout's multipliers, 0 or 1/(1 - rate). `first` is the element number of the first row and query. */
export const dropoutPanel = (module: ModuleBuilder, rate: number): FunctionHandle =>
  shared(module, `dropout${rate}`, 5, (n, to, rows, first, keys, key) => {
    const { f } = n
    const c = calculator(f)
    const { F, I, B } = c
    const words = [0, 4].map((offset) => c.hold(f.v128.load32_splat(key, offset)))
    const elements = halves.map((v) => c.hold(I.add(I.mul(queryLanes(c, v), f.i32x4.splat(keys)), f.i32x4.splat(first))))
    eachRow(n, [to], rows, (v) => {
      const element = elements[v / 16] as Local
      f.call(threefry(module), ...words, f.constant('i32x4', 0), element)
      const bits = c.hold(B.xor())
      const uniform = F.sub(B.or(I.shr_u(bits, 9), 0x3f800000), 1)
      put(f, to, v, B.and(F.lt(uniform, 1 - rate), f.constant('f32x4', 1 / (1 - rate))))
      f.set(element, I.add(element, 1))
    })
  })

/**
 * (from, step, panels, to): the first rows of `panels` panels `step` bytes apart, as many as a tile is high, become a packed panel whose
 * inner dim is the query.
 */
export const transposePanels = (module: ModuleBuilder): FunctionHandle =>
  shared(module, 'transposePanels', 4, (n, from, step, panels, to) => {
    const tall = tileRows(module)
    n.countDown(panels, 1, () => {
      for (let r = 0; r < tall; r += 4) {
        const rows = Math.min(4, tall - r)
        n.call(transposeRows(module, rows), n.add(from, rowBytes * r), rowBytes, rows, panelQueries, n.add(to, 4 * r), 4 * tall)
      }
      n.step(from, step)
      n.step(to, 4 * panelQueries * tall)
    })
  })
