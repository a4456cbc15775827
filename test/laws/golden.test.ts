/** Every primitive against the values JAX computed. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import { aval } from '../../src/core/aval.ts'
import type { Backend } from '../../src/core/backend.ts'
import { type DType, isFloat, typedArrayOf } from '../../src/core/dtype.ts'
import { type OpName, type OpParams, ulpsOf } from '../../src/core/ops.ts'
import { bind, upload } from '../../src/core/trace.ts'
import type { NdArray } from '../../src/index.ts'
import { onDevice } from '../device.ts'
import { difference } from './compare.ts'

interface Golden {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly (number | string)[]
}
interface Case {
  readonly op: OpName
  readonly params: OpParams[OpName]
  readonly inputs: readonly Golden[]
  readonly outputs: readonly Golden[]
  readonly jaxUlp?: number
}
const load = <T>(file: string): readonly T[] =>
  (JSON.parse(readFileSync(new URL(`../golden/${file}.json`, import.meta.url), 'utf8')) as { readonly cases: readonly T[] }).cases

const valuesOf = (g: Golden): ArrayLike<number> => typedArrayOf(g.dtype).from(g.data.map(Number))
const arrayOf = (g: Golden): NdArray => upload(aval(g.shape, g.dtype), valuesOf(g))

/** null when the array is the golden one within `ulp`. */
const mismatch = (got: NdArray, want: Golden, ulp: number, scale = 0, signedZeros = false): string | null => {
  const head = `${got.dtype}[${got.shape.join(',')}]`
  const wanted = `${want.dtype}[${want.shape.join(',')}]`
  if (head !== wanted) return `got ${head}, expected ${wanted}`
  return difference(got.concrete('test').dataSync(), valuesOf(want), want.dtype, ulp, scale, signedZeros)
}

onDevice(reference() as Backend)

/** These add many terms, in an order that is the device's own: their error is measured at the size of the terms. */
const sums: ReadonlySet<OpName> = new Set(['reduceSum', 'cumsum', 'dotGeneral'])
/** Another library's float64 functions may differ from JavaScript's by this. */
const ulp64 = 32
/** The reference computes it exactly; the rule's ulp is that of float32's own formula. */
const tighter: Readonly<Partial<Record<OpName, number>>> = { erfInv: 4 }

describe('primitives give what JAX gives', () => {
  const byOp = new Map<OpName, Case[]>()
  for (const c of load<Case>('primitives')) byOp.set(c.op, [...(byOp.get(c.op) ?? []), c])
  for (const [op, cases] of byOp)
    test(op, () => {
      const wrong = cases.flatMap((c) => {
        const where = `${JSON.stringify(c.params)} of ${c.inputs.map((g) => `${g.dtype}[${g.shape.join(',')}]`).join(', ')}`
        let outs: readonly NdArray[]
        try {
          outs = bind(op, c.params, c.inputs.map(arrayOf))
        } catch (error) {
          return [`${where}: ${String(error)}`]
        }
        if (outs.length !== c.outputs.length) return [`${where}: ${outs.length} results against ${c.outputs.length}`]
        const scale = sums.has(op) ? Math.max(0, ...c.inputs.flatMap((g) => Array.from(valuesOf(g), Math.abs).filter(Number.isFinite))) : 0
        return outs.flatMap((out, i) => {
          const want = c.outputs[i]!
          const own = tighter[op] ?? ulpsOf(op)
          const ulp = !isFloat(want.dtype) ? 0 : want.dtype === 'float64' ? (own > 0 ? Math.max(own, ulp64) : 0) : own + (c.jaxUlp ?? 0)
          const off = mismatch(out, want, ulp, scale)
          return off === null ? [] : [`${where}: out ${i} ${off}`]
        })
      })
      expect(wrong).toEqual([])
    })
})
