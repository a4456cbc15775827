/** Generators of attention and its derivatives: grouped heads, windows, masks, biases, dropout. */
import type { DType } from '../core/dtype.ts'
import type { AttentionParams } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'
import { type Generator, generator } from './generator.ts'

type Name = 'dotProductAttention' | 'dotProductAttentionJvp' | 'dotProductAttentionGrad'
interface Attention {
  readonly params: AttentionParams
  readonly inputs: readonly Value[]
  /** The shapes of the results: out and the logsumexp of each row. */
  readonly out: readonly number[]
  readonly lse: readonly number[]
}

/** In ±2 and finite: scores are exponents. */
const tame = (c: Choices): number => {
  const x = c.element('float32')
  return Number.isFinite(x) ? Math.max(-2, Math.min(2, x)) : 1
}

const draw = (c: Choices, dtype: DType, element: () => number, smooth: boolean, dropout: boolean): Attention => {
  const small = (): number => c.pick([2, 1, 3])
  const [B, T, D, E, K] = [small(), small(), small(), small(), c.pick([1, 2])]
  const H = K * c.pick([1, 2])
  const window = c.oneIn(2)
  // Where there must be a derivative every query sees a key: its own in a window, else the first.
  const S = window && smooth ? T + c.below(2) : small()
  const seen = (): number | null => c.pick([0, null, 1])
  const [left, right] = window ? [seen(), seen()] : [null, null]
  const score = (): number[] => [B, H, T, S].map((n) => (c.oneIn(3) ? 1 : n))
  const mask = !(window && smooth) && c.oneIn(2) ? maskOf(c, score(), smooth) : null
  const bias = c.oneIn(2) ? c.value(score(), dtype, () => (!smooth && c.oneIn(8) ? Number.NEGATIVE_INFINITY : element())) : null
  const rate = dropout && c.oneIn(3) ? 0.25 : 0
  const qkv = [c.value([B, T, H, D], dtype, element), c.value([B, S, K, D], dtype, element), c.value([B, S, K, E], dtype, element)]
  const extras = [bias, mask, rate > 0 ? c.value([], 'key') : null].filter((x) => x !== null)
  return {
    params: { scale: c.pick([1, 0.5]), softcap: c.oneIn(3) ? 1.5 : null, left, right, bias: bias !== null, mask: mask !== null, rate },
    inputs: [...qkv, ...extras],
    out: [B, T, H, E],
    lse: [B, H, T],
  }
}

const maskOf = (c: Choices, shape: readonly number[], smooth: boolean): Value => {
  let i = 0
  const first = (): boolean => i++ % shape[3]! === 0
  return c.value(shape, 'bool', () => ((first() && smooth) || c.oneIn(2) ? 1 : 0))
}

/** What follows attention's own operands: its results, then tangents or a cotangent like the operands. (float32 kernels use the results, so they are of a size that could be.) */
const results = (c: Choices, { out, lse }: Attention, dtype: DType, element: () => number): Value[] => [
  c.value(out, dtype, element),
  c.value(lse, dtype, () => Math.abs(element()) + 1),
]
const like = (c: Choices, { aval }: Value, element: () => number): Value => c.value(aval.shape, aval.dtype, element)

const attention = <K extends Name>(
  make: (c: Choices, dtype: DType, element: () => number, smooth: boolean) => ReturnType<Generator<K>['any']>,
  linear: Generator<K>['linear'] = () => [],
): Generator<K> =>
  generator<K>({
    any: (c) => make(c, c.dtype(['float32', 'float64']), () => tame(c), false),
    smooth: (c) => make(c, 'float64', () => c.smooth(), true),
    linear,
  })

export const attentionGenerators = {
  dotProductAttention: attention<'dotProductAttention'>((c, dtype, element, smooth) => draw(c, dtype, element, smooth, true)),
  dotProductAttentionJvp: attention<'dotProductAttentionJvp'>(
    (c, dtype, element, smooth) => {
      const a = draw(c, dtype, element, smooth, smooth)
      const moving = [true, c.oneIn(2), c.oneIn(2), a.params.bias && c.oneIn(2)]
      const tangents = moving.flatMap((moves, i) => (moves ? [like(c, a.inputs[i]!, element)] : []))
      return { params: { ...a.params, moving }, inputs: [...a.inputs, ...results(c, a, dtype, element), ...tangents] }
    },
    ({ params, inputs }) => {
      const count = params.moving.filter(Boolean).length
      return [Array.from({ length: count }, (_, i) => inputs.length - count + i)]
    },
  ),
  dotProductAttentionGrad: attention<'dotProductAttentionGrad'>((c, dtype, element, smooth) => {
    const a = draw(c, dtype, element, smooth, smooth)
    return { params: a.params, inputs: [...a.inputs, ...results(c, a, dtype, element), c.value(a.out, dtype, element)] }
  }),
}
