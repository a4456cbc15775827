/** Every primitive, and the random draws, against the values JAX computed. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { rules } from '../../primitives/index.ts'
import { aval } from '../../src/core/aval.ts'
import { type DType, isFloat, typedArrayOf } from '../../src/core/dtype.ts'
import type { OpName, OpParams } from '../../src/core/ops.ts'
import { bind, upload } from '../../src/core/trace.ts'
import { init, type NdArray, random } from '../../src/index.ts'
import { randomUnwrap } from '../../src/core/constructors.ts'
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
interface Draw {
  readonly fn: string
  readonly seed: number
  readonly args: {
    readonly shape?: readonly number[]
    readonly dtype?: DType
    readonly data?: number
    readonly minval?: number
    readonly maxval?: number
    readonly p?: number | Golden
    readonly logits?: Golden
    readonly axis?: number
  }
  readonly out: Golden
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

await init({ device: 'reference' })

/** These add many terms, in an order that is the device's own: their error is measured at the size of the terms. */
const sums: ReadonlySet<OpName> = new Set(['reduceSum', 'cumsum', 'dotGeneral'])
/** Another library's float64 functions may differ from JavaScript's by this. */
const ulp64 = 32
/** The order of terms is the device's own in reductions of floats: the rule's 0 is against the reference device, not against JAX. */
const reordered: Readonly<Partial<Record<OpName, number>>> = { reduceSum: 16, reduceProd: 16 }
/** Known to differ from JAX: each of these must be mended, and then leaves this list. */
const differing: ReadonlySet<string> = new Set([
  'argmax',
  'argmin',
  'dynamicSlice',
  'dynamicUpdateSlice',
  'gumbel',
  'categorical',
  'uniform',
])
const law = (name: string): typeof test.fails => (differing.has(name) ? test.fails : (test as typeof test.fails))

describe('primitives give what JAX gives', () => {
  const byOp = new Map<OpName, Case[]>()
  for (const c of load<Case>('primitives')) byOp.set(c.op, [...(byOp.get(c.op) ?? []), c])
  for (const [op, cases] of byOp)
    law(op)(op, () => {
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
          const own = reordered[op] ?? rules[op].ulp
          const ulp = !isFloat(want.dtype) ? 0 : want.dtype === 'float64' ? (own > 0 ? Math.max(own, ulp64) : 0) : own + (c.jaxUlp ?? 0)
          const off = mismatch(out, want, ulp, scale)
          return off === null ? [] : [`${where}: out ${i} ${off}`]
        })
      })
      expect(wrong).toEqual([])
    })
})

describe('random draws what jax.random draws', () => {
  const draw = (d: Draw): readonly [NdArray, number] | null => {
    const k = random.key(d.seed)
    const { shape = [], dtype, data, p, logits, axis } = d.args
    switch (d.fn) {
      case 'key':
        return [randomUnwrap(k), 0]
      case 'split':
        return [randomUnwrap(random.split(k, shape)), 0]
      case 'foldIn':
        return [randomUnwrap(random.foldIn(k, data!)), 0]
      case 'bits':
        return dtype === 'uint32' ? [random.bits(k, shape), 0] : null
      case 'uniform': {
        const { minval = 0, maxval = 1 } = d.args
        return [random.uniform(k, shape, { minval, maxval }), minval === 0 && maxval === 1 ? 0 : 2] // XLA fuses the multiplication and the addition
      }
      case 'normal':
        return [random.normal(k, shape), 4]
      case 'gumbel':
        return [random.gumbel(k, shape), 4]
      case 'bernoulli':
        return typeof p === 'number' ? [random.bernoulli(k, p, shape), 0] : null
      case 'categorical':
        return axis === -1 || axis === logits!.shape.length - 1 ? [random.categorical(k, arrayOf(logits!)), 0] : null
      default:
        return null
    }
  }
  const fns = ['key', 'split', 'foldIn', 'bits', 'uniform', 'normal', 'gumbel', 'bernoulli', 'categorical']
  const draws = load<Draw>('random')
  for (const fn of fns)
    law(fn)(fn, () => {
      let compared = 0
      const wrong = draws
        .filter((d) => d.fn === fn)
        .flatMap((d) => {
          const drawn = draw(d)
          if (drawn === null) return []
          compared++
          const off = mismatch(drawn[0], d.out, drawn[1])
          return off === null ? [] : [`seed ${d.seed} ${JSON.stringify(d.args).slice(0, 200)}: ${off}`]
        })
      expect(wrong).toEqual([])
      expect(compared).toBeGreaterThan(0)
    })

  test('a chain of split and foldIn', () => {
    for (const d of draws.filter((x) => x.fn === 'chain')) {
      const at = (k: NdArray, i: number): NdArray => bind('gather', { axes: [0], mode: 'clip' }, [k, upload(aval([], 'int32'), [i])])[0]!
      const k = at(random.split(random.foldIn(at(random.split(random.key(d.seed)), 1), 3)), 0)
      expect(mismatch(randomUnwrap(k), d.out, 0)).toBeNull()
    }
  })

  test('ten thousand draws by their checksum', () => {
    for (const d of draws.filter((x) => x.fn === 'bitsChecksum')) {
      const words = random.bits(random.key(d.seed), d.args.shape).concrete('test').dataSync()
      let sum = 0
      let xor = 0
      for (const w of words) {
        sum = (sum + w) >>> 0
        xor = (xor ^ w) >>> 0
      }
      expect([sum, xor]).toEqual(d.out.data)
    }
  })
})
