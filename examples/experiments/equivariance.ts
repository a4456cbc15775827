/**
 * Is attention equivariant under permutations of the tokens? Without positions it is; with a causal mask, or with positions, it isn't, and the search
 * finds the smallest case..
 */
import fc from 'fast-check'
import { type NdArray, nn, np } from '../../src/index.ts'

const WIDTH = 4
type Attend = (x: NdArray) => NdArray

/** Self-attention of tokens [n, width] with one head, whose queries, keys and values are the tokens. */
const attention =
  (options: { readonly causal?: boolean } = {}): Attend =>
  (x) => {
    const tokens = x.reshape(1, -1, 1, WIDTH)
    return nn.dotProductAttention(tokens, tokens, tokens, options).reshape(-1, WIDTH)
  }
const positions = (n: number): NdArray => np.sin(np.outer(np.arange(n), np.arange(WIDTH).add(1)))

export const models: Readonly<Record<string, Attend>> = {
  plain: attention(),
  causal: attention({ causal: true }),
  'with positions': (x) => attention()(x.add(positions(x.shape[0]!))),
}

/** Tokens, each with a number by which they are put in order: a list, so that it shrinks to few. */
const number = fc.integer({ min: -4, max: 4 }).map((n) => n / 2)
const drawn = fc.array(fc.record({ rank: fc.nat(9), token: fc.tuple(number, number, number, number) }), { minLength: 1, maxLength: 6 })
type Tokens = readonly { readonly rank: number; readonly token: readonly number[] }[]
const orderOf = (tokens: Tokens): readonly number[] => tokens.map((_, i) => i).sort((i, j) => tokens[i]!.rank - tokens[j]!.rank || i - j)

/** f(x in another order) is f(x) in that order. */
const equivariance = (f: Attend): fc.IProperty<[Tokens]> =>
  fc.property(drawn as fc.Arbitrary<Tokens>, (tokens) => {
    const x = np.array(tokens.map(({ token }) => [...token]))
    const places = np.array([...orderOf(tokens)], { dtype: 'int32' })
    const take = (y: NdArray): NdArray => y.take(places, { axis: 0 })
    return np.allclose(f(take(x)), take(f(x)), { atol: 1e-5 }).item() === 1
  })

export interface Found {
  readonly runs: number
  /** Of the smallest counterexample; null where there is none. */
  readonly order: readonly number[] | null
  readonly tokens: readonly (readonly number[])[] | null
}
export const search = (f: Attend, runs = 200, seed = 1): Found => {
  const { counterexample, numRuns } = fc.check(equivariance(f), { numRuns: runs, seed })
  const smallest = counterexample?.[0]
  return { runs: numRuns, order: smallest ? orderOf(smallest) : null, tokens: smallest?.map(({ token }) => token) ?? null }
}

export const report = (): string =>
  Object.entries(models)
    .map(([name, f]) => {
      const { runs, order, tokens } = search(f)
      return order === null
        ? `${name}: equivariant in ${runs} cases`
        : `${name}: not equivariant: of the tokens ${JSON.stringify(tokens)} in the order ${order.join(', ')}`
    })
    .join('\n')
