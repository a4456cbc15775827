/**
 * Packing: rows of an operand, wherever they lie, into a panel `width` wide (element (r, k) at k·width + r).
 * Where a panel has fewer rows than its width, the last row stands in for the missing ones: what it computes is never read.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder, Value } from './assembler.ts'
import { callWith, plus, stepWithin } from './dotIndex.ts'
import { advance } from './dotTile.ts'

/** In bytes. */
export interface PanelStrides {
  readonly rowStride: number
  readonly kStride: number
}

/** Emits the packing of `rows` rows (1 … width) of `k` (more than 0) elements from `source` to `to`. */
export const emitPack = (
  f: FunctionBuilder,
  width: number,
  { rowStride, kStride }: PanelStrides,
  source: Value,
  rows: Local,
  k: Value,
  to: Value,
): void => {
  if (k === 0) return
  const any = () => callWith(f, packAny(f.module), [source, rowStride, kStride, rows, k, to, width])
  if (kStride === 4 && width > 1)
    for (let r = 0; r < width; r += 4) {
      const group = () =>
        callWith(f, transposeRows(f.module, Math.min(4, width - r)), [
          plus(f, source, r * rowStride),
          rowStride,
          plus(f, rows, -r),
          k,
          plus(f, to, 4 * r),
          4 * width,
        ])
      // A group without rows keeps what is there: it is never read.
      if (r === 0) group()
      else {
        f.get(rows)
        f.const('i32', r)
        f.i32.gt_s()
        f.if(group)
      }
    }
  else if (rowStride === 4 && width > 1) {
    f.get(rows)
    f.const('i32', width)
    f.i32.eq()
    f.if(() => callWith(f, copyColumns(f.module, width), [source, kStride, k, to]), any)
  } else any()
}

/** (source, rowStride, rows, k, to, step): `count` (2 or 4) rows that run along k, by transposing squares. */
export const transposeRows = (module: ModuleBuilder, count: number): FunctionHandle =>
  module.once(`transpose${count}`, () => {
    const f = module.func(`transpose${count}`, ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'])
    const [source, rowStride, rows, k, to, step] = f.params as unknown as [Local, Local, Local, Local, Local, Local]
    const end = f.local('i32')
    const row = Array.from({ length: count }, (_, r) => (r === 0 ? source : f.local('i32')))
    const x = row.map(() => f.local('v128'))
    const at = (pointers: readonly Local[], r: number): Local => pointers[r] as Local
    for (let r = 1; r < count; r++) {
      stepWithin(f, at(row, r - 1), rowStride, r, rows)
      f.set(at(row, r))
    }
    const run = (elements: () => void, lanes: number, body: () => void) => {
      f.get(source)
      elements()
      f.const('i32', 2)
      f.i32.shl()
      f.i32.add()
      f.set(end)
      f.while(
        () => {
          f.get(source)
          f.get(end)
          f.i32.lt_u()
        },
        () => {
          body()
          for (const pointer of row) advance(f, pointer, 4 * lanes)
        },
      )
    }
    const stored = (value: () => void, store: () => void) => {
      f.get(to)
      value()
      store()
      advance(f, to, step)
    }
    run(
      () => {
        f.get(k)
        f.const('i32', -4)
        f.i32.and()
      },
      4,
      () => {
        row.forEach((pointer, r) => {
          f.get(pointer)
          f.v128.load()
          f.set(at(x, r))
        })
        const zip = (a: Local, b: Local, high: boolean) => {
          f.get(a)
          f.get(b)
          if (high) f.shuffle32(2, 6, 3, 7)
          else f.shuffle32(0, 4, 1, 5)
        }
        const pairs = count === 4 ? [0, 1] : [0]
        const zipped = [false, true].map((high) =>
          pairs.map((p) => {
            const local = f.local('v128')
            zip(at(x, 2 * p), at(x, 2 * p + 1), high)
            f.set(local)
            return local
          }),
        )
        for (const half of zipped)
          for (const lane of [0, 1])
            stored(
              () => {
                if (count === 2) return f.get(at(half, 0))
                f.get(at(half, 0))
                f.get(at(half, 1))
                if (lane === 0) f.shuffle32(0, 1, 4, 5)
                else f.shuffle32(2, 3, 6, 7)
              },
              () => (count === 2 ? f.v128.store64_lane(lane) : f.v128.store()),
            )
      },
    )
    run(
      () => {
        f.get(k)
        f.const('i32', 3)
        f.i32.and()
      },
      1,
      () => {
        row.forEach((pointer, r) => {
          f.get(to)
          f.get(pointer)
          f.f32.load()
          f.f32.store(4 * r)
        })
        advance(f, to, step)
      },
    )
    return f
  })

/** (source, kStride, k, to): `width` rows that lie side by side. */
const copyColumns = (module: ModuleBuilder, width: number): FunctionHandle =>
  module.once(`columns${width}`, () => {
    const f = module.func(`columns${width}`, ['i32', 'i32', 'i32', 'i32'])
    const [source, kStride, k, to] = f.params as unknown as [Local, Local, Local, Local]
    f.loop((again) => {
      for (let r = 0; r < width; r += 4) {
        f.get(to)
        f.get(source)
        if (width - r >= 4) {
          f.v128.load(4 * r)
          f.v128.store(4 * r)
        } else {
          f.v128.load64_zero(4 * r)
          f.v128.store64_lane(0, 4 * r)
        }
      }
      advance(f, source, kStride)
      advance(f, to, 4 * width)
      advance(f, k, -1)
      f.get(k)
      f.br_if(again)
    })
    return f
  })

/** (source, rowStride, kStride, rows, k, to, width): any strides, one element at a time. */
const packAny = (module: ModuleBuilder): FunctionHandle =>
  module.once('packAny', () => {
    const f = module.func('packAny', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'])
    const [source, rowStride, kStride, rows, k, to, width] = f.params as unknown as [Local, Local, Local, Local, Local, Local, Local]
    const [r, from] = [f.local('i32'), f.local('i32')]
    f.loop((again) => {
      f.get(source)
      f.set(from)
      f.for(r, 0, width, 1, () => {
        f.get(to)
        f.get(from)
        f.f32.load()
        f.f32.store()
        advance(f, to, 4)
        // Stay on the last row.
        f.get(from)
        f.get(rowStride)
        f.const('i32', 0)
        f.get(r)
        f.const('i32', 1)
        f.i32.add()
        f.get(rows)
        f.i32.lt_s()
        f.select()
        f.i32.add()
        f.set(from)
      })
      advance(f, source, kStride)
      advance(f, k, -1)
      f.get(k)
      f.br_if(again)
    })
    return f
  })
