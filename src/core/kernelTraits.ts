/** What others need to know of each kind of kernel, beside what it computes. Total by type. */
import { partsOf } from './expressions.ts'
import type { AttentionShape, Cumulative, Kernel, Output, Sort } from './kernel.ts'

interface Traits<K extends Kernel> {
  /** In a word and its extents: `dot 768x384x128`, `nest 768x[128]` (dims in brackets are reduced over). */
  readonly name: (kernel: K) => string
  /** The positions of the args that it writes. */
  readonly writes: (kernel: K) => readonly number[]
  /** The positions of args in whose memory a result may be written. */
  readonly inPlace: (kernel: K) => readonly number[]
  /** Arithmetic operations of a launch, a multiply-add as two. `extent`: the launch's, of a nest's first dim. */
  readonly flops: (kernel: K, extent: number) => number
  /** Its longest loops, as a device counts them: the outer dims as one, what is reduced over dim by dim or `innerAsOne`. */
  readonly loops: (kernel: K, extent: number, innerAsOne: boolean) => readonly number[]
}

const product = (ns: readonly number[]): number => ns.reduce((n, m) => n * m, 1)
const argsOf = (outputs: readonly Output[]): number[] => outputs.map(({ arg }) => arg)
/** Distinct operations in expressions that share nodes. */
const operations = (outputs: readonly Output[]): number =>
  partsOf(outputs.map(({ expr }) => expr)).filter((e) => e.kind === 'apply' || e.kind === 'reduce').length

const attentionName = (kind: string, { batch, heads, queries, keys, headDim }: AttentionShape): string =>
  `${kind} ${batch}x${heads}x${queries}x${keys}x${headDim}`
/** `products`: of a query and a key, how many multiply-adds. */
const attentionFlops = ({ batch, heads, queries, keys, right }: AttentionShape, products: number): number =>
  2 * batch * heads * queries * (right === 0 ? (keys + 1) / 2 : keys) * products

const last = ({ args }: Kernel): number[] => [args.length - 1]
const none = (): number => 0
const nothing = (): number[] => []
const lines = ({ outer, n, inner }: Cumulative | Sort): number[] => [outer * n * inner]

const traits: { readonly [K in Kernel as K['kind']]: Traits<K> } = {
  nest: {
    inPlace: nothing, // that of a fused kernel follows from its accesses
    name: ({ dims, inner }) => {
      const outer = dims.length - inner
      return `nest ${[...dims.slice(0, outer), ...(inner > 0 ? [`[${dims.slice(outer).join('x')}]`] : [])].join('x')}`
    },
    writes: ({ outputs }) => argsOf(outputs),
    flops: ({ dims, outputs }, extent) => product([extent, ...dims.slice(1)]) * operations(outputs),
    loops: ({ dims, inner }, extent, innerAsOne) => {
      const outer = dims.length - inner
      const reduced = dims.slice(outer)
      return [extent * product(dims.slice(1, outer)), ...(innerAsOne ? [product(reduced)] : reduced)]
    },
  },
  dot: {
    inPlace: nothing,
    name: ({ batch, m, n, k }) => `dot ${[...batch, ''].join('x')}${m}x${n}x${k}`,
    writes: ({ outputs }) => argsOf(outputs),
    flops: ({ batch, m, n, k, outputs }) => product([...batch, m, n]) * (2 * k + operations(outputs)),
    loops: ({ batch, m, n, k }) => [product(batch), m, n, k],
  },
  attention: {
    inPlace: nothing,
    name: (kernel) => attentionName('attention', kernel),
    writes: ({ out, lse }) => [out.arg, lse.arg],
    flops: (kernel) => attentionFlops(kernel, kernel.headDim + kernel.valueDim),
    loops: nothing,
  },
  attentionGrad: {
    inPlace: nothing,
    name: (kernel) => attentionName('attentionGrad', kernel),
    writes: ({ dQuery, dKey, dValue }) => [dQuery.arg, dKey.arg, dValue.arg],
    flops: (kernel) => attentionFlops(kernel, 3 * kernel.headDim + 2 * kernel.valueDim),
    loops: nothing,
  },
  cumulative: { name: () => 'cumulative', writes: last, inPlace: nothing, flops: none, loops: lines },
  sort: {
    name: () => 'sort',
    inPlace: nothing,
    writes: ({ args }) => args.map((_, i) => i).filter((i) => 2 * i >= args.length),
    flops: none,
    loops: lines,
  },
  scatter: { name: () => 'scatter', writes: last, inPlace: () => [0], flops: none, loops: nothing },
  hostCall: {
    inPlace: nothing,
    name: () => 'hostCall',
    writes: ({ args, inputs }) => args.map((_, i) => i).filter((i) => i >= inputs),
    flops: none,
    loops: nothing,
  },
}

const traitsOf = <K extends Kernel>(kernel: K): Traits<K> => traits[kernel.kind] as unknown as Traits<K>
export const nameOf = (kernel: Kernel): string => traitsOf(kernel).name(kernel)
export const writesOf = (kernel: Kernel): readonly number[] => traitsOf(kernel).writes(kernel)
export const inPlaceOf = (kernel: Kernel): readonly number[] => traitsOf(kernel).inPlace(kernel)
export const flopsOf = (kernel: Kernel, extent: number): number => traitsOf(kernel).flops(kernel, extent)
export const loopsOf = (kernel: Kernel, extent: number, innerAsOne: boolean): readonly number[] =>
  traitsOf(kernel).loops(kernel, extent, innerAsOne)
