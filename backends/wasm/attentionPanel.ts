/**
 * What attention does to scores between its products. Scores of eight queries form a panel: a row of eight for each key, 32 bytes,
 * which is both a column of register tiles and a packed operand of the next product. So all of softmax is vertical.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { callWith, plus } from './dotIndex.ts'
import { transposeRows } from './dotPack.ts'
import { advance, tileRows } from './dotTile.ts'
import { threefry } from './integer.ts'
import { exp, log } from './math.ts'
import { type Calculator, calculator, type Vec } from './vec.ts'

/** Queries of a panel, and the bytes of a row. */
export const panelQueries = 8
export const rowBytes = 32

const lowest = Number.NEGATIVE_INFINITY
const halves = [0, 16] as const

const at =
  (f: FunctionBuilder, pointer: Local, offset: number): Vec =>
  () => {
    f.get(pointer)
    f.v128.load(offset)
  }

const put = (f: FunctionBuilder, pointer: Local, offset: number, value: Vec): void => {
  f.get(pointer)
  f.push(value)
  f.v128.store(offset)
}

/** A function (...pointers, rows, ...more) that runs `body` for each row, the pointers moving on. */
const overRows = (
  module: ModuleBuilder,
  name: string,
  pointers: number,
  more: number,
  body: (f: FunctionBuilder, pointers: readonly Local[], more: readonly Local[]) => () => void,
  after?: (f: FunctionBuilder, more: readonly Local[]) => void,
): FunctionHandle =>
  module.once(name, () => {
    const f = module.func(name, Array(pointers + 1 + more).fill('i32'))
    const moving = f.params.slice(0, pointers)
    const rows = f.param(pointers)
    const rest = f.params.slice(pointers + 1)
    const row = body(f, moving, rest)
    f.while(
      () => {
        f.get(rows)
        f.const('i32', 0)
        f.i32.gt_s()
      },
      () => {
        row()
        for (const pointer of moving) advance(f, pointer, rowBytes)
        advance(f, rows, -1)
      },
    )
    after?.(f, rest)
    return f
  })

/** (to, from, rows): to += from */
export const addPanel = (module: ModuleBuilder): FunctionHandle =>
  overRows(module, 'addPanel', 2, 0, (f, [to, from]) => {
    const { F } = calculator(f)
    return () => {
      for (const v of halves) put(f, to as Local, v, F.add(at(f, to as Local, v), at(f, from as Local, v)))
    }
  })

/** (to, from, rows): to *= from */
export const multiplyPanel = (module: ModuleBuilder): FunctionHandle =>
  overRows(module, 'multiplyPanel', 2, 0, (f, [to, from]) => {
    const { F } = calculator(f)
    return () => {
      for (const v of halves) put(f, to as Local, v, F.mul(at(f, to as Local, v), at(f, from as Local, v)))
    }
  })

/** (to, from, rows): to = -infinity where the word `from` is 0 */
export const maskPanel = (module: ModuleBuilder): FunctionHandle =>
  overRows(module, 'maskPanel', 2, 0, (f, [to, from]) => {
    const c = calculator(f)
    return () => {
      for (const v of halves) put(f, to as Local, v, c.pick(c.I.eq(at(f, from as Local, v), 0), lowest, at(f, to as Local, v)))
    }
  })

/** (to, rows, factors): every row of `to` is multiplied by the row `factors`. */
export const scalePanel = (module: ModuleBuilder): FunctionHandle =>
  overRows(module, 'scalePanel', 1, 1, (f, [to], [factors]) => {
    const c = calculator(f)
    const by = halves.map((v) => c.hold(at(f, factors as Local, v)))
    return () => {
      halves.forEach((v, i) => {
        put(f, to as Local, v, c.F.mul(at(f, to as Local, v), by[i] as Local))
      })
    }
  })

/** (x, y, rows, sums): the row `sums` becomes Σ x·y. */
export const dotPanels = (module: ModuleBuilder): FunctionHandle => {
  const sums: Local[] = []
  return overRows(
    module,
    'dotPanels',
    2,
    1,
    (f, [x, y]) => {
      const { F } = calculator(f)
      for (const _ of halves) sums.push(f.local('v128'))
      return () => {
        halves.forEach((v, i) => {
          f.push(F.add(sums[i] as Local, F.mul(at(f, x as Local, v), at(f, y as Local, v))))
          f.set(sums[i] as Local)
        })
      }
    },
    (f, [to]) => {
      halves.forEach((v, i) => {
        put(f, to as Local, v, sums[i] as Local)
      })
    },
  )
}

/** (to, rows, distance): hides keys outside the window; distance is the first row's key less the first query. */
export const windowPanel = (module: ModuleBuilder, left: number | null, right: number | null): FunctionHandle =>
  overRows(module, `window${left},${right}`, 1, 1, (f, [to], [distance]) => {
    const c = calculator(f)
    const { I } = c
    const away = halves.map((v) => {
      const first = () => {
        f.get(distance as Local)
        f.i32x4.splat()
      }
      return c.hold(I.sub(first, queryLanes(c, v)))
    })
    return () => {
      halves.forEach((v, i) => {
        const d = away[i] as Local
        const visible = at(f, to as Local, v)
        const leftmost = left === null ? visible : c.pick(I.lt_s(d, -left), lowest, visible)
        put(f, to as Local, v, right === null ? leftmost : c.pick(I.gt_s(d, right), lowest, leftmost))
        f.push(I.add(d, 1))
        f.set(d)
      })
    }
  })

/** Bytes of a panel's statistics: rows of the maximum, the sum, the correction, and logsumexp. */
export const statsBytes = 4 * rowBytes

/**
 * (scores, rows, stats): one block of an online softmax. Scores become exp(score - max) with max the greatest so far, the sum includes them,
 * and the correction is by what earlier blocks must be multiplied. NaNs pass through exp.
 */
export const softmaxPanel = (module: ModuleBuilder): FunctionHandle =>
  module.once('softmaxPanel', () => {
    const f = module.func('softmaxPanel', ['i32', 'i32', 'i32'])
    const [scores, rows, stats] = f.params as unknown as [Local, Local, Local]
    const c = calculator(f)
    const { F } = c
    const [pointer, end] = [f.local('i32'), f.local('i32')]
    const eachRow = (body: () => void) => {
      f.get(scores)
      f.set(pointer)
      f.loop((again) => {
        body()
        advance(f, pointer, rowBytes)
        f.get(pointer)
        f.get(end)
        f.i32.lt_u()
        f.br_if(again)
      })
    }
    f.get(rows)
    f.const('i32', 5)
    f.i32.shl()
    f.get(scores)
    f.i32.add()
    f.set(end)
    const max = halves.map((v) => c.hold(at(f, stats, v)))
    eachRow(() =>
      halves.forEach((v, i) => {
        f.push(F.pmax(max[i] as Local, at(f, pointer, v)))
        f.set(max[i] as Local)
      }),
    )
    const x = f.local('v128')
    const expOf = (value: Vec) => () => {
      f.push(value)
      f.set(x)
      exp(f, x)
    }
    const sums = halves.map((v, i) => {
      const top = max[i] as Local
      const before = c.hold(at(f, stats, v))
      put(f, stats, v, top)
      // A row that has seen nothing yet: any finite maximum gives exp(-infinity) = 0.
      f.push(c.pick(F.eq(top, lowest), 0, top))
      f.set(top)
      const correction = c.hold(expOf(F.sub(before, top)))
      put(f, stats, 2 * rowBytes + v, correction)
      return c.hold(F.mul(at(f, stats, rowBytes + v), correction))
    })
    eachRow(() =>
      halves.forEach((v, i) => {
        const p = c.hold(expOf(F.sub(at(f, pointer, v), max[i] as Local)))
        put(f, pointer, v, p)
        f.push(F.add(sums[i] as Local, p))
        f.set(sums[i] as Local)
      }),
    )
    halves.forEach((v, i) => {
      put(f, stats, rowBytes + v, sums[i] as Local)
    })
    return f
  })

/** (stats): a new panel's. */
export const resetStats = (module: ModuleBuilder): FunctionHandle =>
  module.once('resetStats', () => {
    const f = module.func('resetStats', ['i32'])
    for (const v of halves) {
      put(f, f.param(0), v, f.constant('f32x4', lowest))
      put(f, f.param(0), rowBytes + v, f.constant('f32x4', 0))
    }
    return f
  })

/** (stats): the correction becomes 1/sum (0 for a row that saw nothing), the last row logsumexp. */
export const finishStats = (module: ModuleBuilder): FunctionHandle =>
  module.once('finishStats', () => {
    const f = module.func('finishStats', ['i32'])
    const c = calculator(f)
    const { F } = c
    const stats = f.param(0)
    for (const v of halves) {
      const sum = c.hold(at(f, stats, rowBytes + v))
      const logSum = c.hold(() => log(f, sum))
      put(f, stats, 2 * rowBytes + v, c.pick(F.eq(sum, 0), 0, F.div(1, sum)))
      put(f, stats, 3 * rowBytes + v, F.add(at(f, stats, v), logSum))
    }
    return f
  })

/** (lse, queries): rows that saw nothing, and lanes without a query, get +infinity, so that exp(score - lse) is 0. */
export const guardLse = (module: ModuleBuilder): FunctionHandle =>
  module.once('guardLse', () => {
    const f = module.func('guardLse', ['i32', 'i32'])
    const c = calculator(f)
    const lse = f.param(0)
    for (const v of halves) {
      const x = c.hold(at(f, lse, v))
      const none = c.I.ge_s(queryLanes(c, v), () => {
        f.get(f.param(1))
        f.i32x4.splat()
      })
      put(f, lse, v, c.pick(c.B.or(c.F.eq(x, lowest), none), Number.POSITIVE_INFINITY, x))
    }
    return f
  })

/**
 * (scores, dWeights, dropout, rows, lse, delta): scores become weights p = exp(score - lse), dWeights become dScores = p (dWeights - delta). With
 * dropout, its multiplier goes into both: the kept weights and their cotangents.
 */
export const softmaxGradPanel = (module: ModuleBuilder, dropout: boolean): FunctionHandle =>
  overRows(module, `softmaxGrad${dropout}`, 3, 2, (f, [scores, dWeights, kept], [lse, delta]) => {
    const c = calculator(f)
    const { F } = c
    const rows = halves.map((v) => [c.hold(at(f, lse as Local, v)), c.hold(at(f, delta as Local, v))] as const)
    const [x, p] = [f.local('v128'), f.local('v128')]
    return () => {
      halves.forEach((v, i) => {
        const [l, d] = rows[i] as readonly [Local, Local]
        f.push(F.sub(at(f, scores as Local, v), l))
        f.set(x)
        exp(f, x)
        f.set(p)
        const times = (value: Vec): Vec => (dropout ? F.mul(value, at(f, kept as Local, v)) : value)
        put(f, dWeights as Local, v, F.mul(p, F.sub(times(at(f, dWeights as Local, v)), d)))
        put(f, scores as Local, v, times(p))
      })
    }
  })

/** (to, rows, first, keys, key): dropout's multipliers, 0 or 1/(1 - rate). `first` is the element number of the first row and query. */
export const dropoutPanel = (module: ModuleBuilder, rate: number): FunctionHandle =>
  overRows(module, `dropout${rate}`, 1, 3, (f, [to], [first, keys, key]) => {
    const c = calculator(f)
    const { F, I, B } = c
    const splat = (value: Local | undefined) => () => {
      f.get(value as Local)
      f.i32x4.splat()
    }
    const word = (offset: number) =>
      c.hold(() => {
        f.get(key as Local)
        f.v128.load32_splat(offset)
      })
    const [k0, k1] = [word(0), word(4)]
    const count = halves.map((v) => c.hold(I.add(I.mul(queryLanes(c, v), splat(keys)), splat(first))))
    return () =>
      halves.forEach((v, i) => {
        const element = count[i] as Local
        const bits = c.hold(() => {
          for (const word of [k0, k1, f.constant('i32x4', 0), element]) f.get(word)
          f.call(threefry(module))
          f.v128.xor()
        })
        const uniform = F.sub(B.or(I.shr_u(bits, 9), 0x3f800000), 1)
        put(f, to as Local, v, B.and(F.lt(uniform, 1 - rate), f.constant('f32x4', 1 / (1 - rate))))
        f.push(I.add(element, 1))
        f.set(element)
      })
  })

/** Which query of the panel each lane is. */
const queryLanes = (c: Calculator, half: number): Local => c.hold(() => c.f.lanes([0, 1, 2, 3].map((lane) => lane + half / 4)))

/** (panel, rows, queries, to, queryStride, rowStride): element (row, query) to query·queryStride + row·rowStride, in bytes. */
export const unpackPanel = (module: ModuleBuilder): FunctionHandle =>
  module.once('unpackPanel', () => {
    const f = module.func('unpackPanel', Array(6).fill('i32'))
    const [panel, rows, queries, to, queryStride, rowStride] = f.params as unknown as [Local, Local, Local, Local, Local, Local]
    const [q, p] = [f.local('i32'), f.local('i32')]
    f.for('i32', 0, rows, 1, () => {
      f.get(to)
      f.set(p)
      f.for(q, 0, queries, 1, () => {
        f.get(p)
        f.get(panel)
        f.get(q)
        f.const('i32', 2)
        f.i32.shl()
        f.i32.add()
        f.f32.load()
        f.f32.store()
        advance(f, p, queryStride)
      })
      advance(f, to, rowStride)
      advance(f, panel, rowBytes)
    })
    return f
  })

/**
 * (from, step, panels, to): rows from … of `panels` panels `step` bytes apart, as many as a tile is high, become a packed panel whose
 * inner dim is the query.
 */
export const transposePanels = (module: ModuleBuilder): FunctionHandle =>
  module.once('transposePanels', () => {
    const f = module.func('transposePanels', Array(4).fill('i32'))
    const [from, step, panels, to] = f.params as unknown as [Local, Local, Local, Local]
    const tall = tileRows(module)
    f.loop((again) => {
      for (let r = 0; r < tall; r += 4) {
        const rows = Math.min(4, tall - r)
        callWith(f, transposeRows(module, rows), [plus(f, from, rowBytes * r), rowBytes, rows, panelQueries, plus(f, to, 4 * r), 4 * tall])
      }
      advance(f, from, step)
      advance(f, to, 4 * panelQueries * tall)
      advance(f, panels, -1)
      f.get(panels)
      f.br_if(again)
    })
    return f
  })

/** (from, pitch, to, rowStride, columnStride, rows, columns): rows of float32 to where they belong; strides in bytes. */
export const writeRows = (module: ModuleBuilder): FunctionHandle =>
  module.once('writeRows', () => {
    const f = module.func('writeRows', Array(7).fill('i32'))
    const [from, pitch, to, rowStride, columnStride, rows, columns] = f.params as unknown as [
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
    ]
    const [p, q, end] = [f.local('i32'), f.local('i32'), f.local('i32')]
    f.for('i32', 0, rows, 1, () => {
      f.get(from)
      f.set(p)
      f.get(to)
      f.set(q)
      const run = (bytes: Value, body: () => void, step: number, toStep: number | Local) => {
        f.get(from)
        f.push(bytes)
        f.i32.add()
        f.set(end)
        f.while(
          () => {
            f.get(p)
            f.get(end)
            f.i32.lt_u()
          },
          () => {
            f.get(q)
            f.get(p)
            body()
            advance(f, p, step)
            advance(f, q, toStep)
          },
        )
      }
      const bytes = () => {
        f.get(columns)
        f.const('i32', 2)
        f.i32.shl()
      }
      f.get(columnStride)
      f.const('i32', 4)
      f.i32.eq()
      f.if(() => {
        const whole = () => {
          bytes()
          f.const('i32', -16)
          f.i32.and()
        }
        const copy = () => {
          f.v128.load()
          f.v128.store()
        }
        run(whole, copy, 16, 16)
      })
      const copyOne = () => {
        f.f32.load()
        f.f32.store()
      }
      run(bytes, copyOne, 4, columnStride)
      advance(f, from, pitch)
      advance(f, to, rowStride)
    })
    return f
  })
