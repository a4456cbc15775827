/** checkpoint: the same values and derivatives, with less kept between. */
import { describe, expect, test } from 'vitest'
import {
  checkpoint,
  checkpointName,
  type CheckpointPolicy,
  explain,
  grad,
  hessian,
  jit,
  jvp,
  lax,
  makeJaxpr,
  nn,
  np,
  random,
  vmap,
  type NdArray,
} from '../../src/index.ts'

interface Block {
  readonly up: NdArray
  readonly down: NdArray
}
const [WIDTH, BATCH] = [32, 256]
const block = (h: NdArray, { up, down }: Block): NdArray =>
  h.add(checkpointName(nn.gelu(nn.layerNorm({}, h).matmul(up)), 'hidden').matmul(down))
const model = (n: number): Block => {
  const [first, second] = random.split(random.key(n))
  return {
    up: random.normal(first!, [n, WIDTH, 4 * WIDTH]).mul(0.1),
    down: random.normal(second!, [n, 4 * WIDTH, WIDTH]).mul(0.1),
  }
}
const x = random.normal(random.key(1), [BATCH, WIDTH])
const stacked =
  (f: typeof block) =>
  (p: Block, x: NdArray): NdArray =>
    np.mean(np.square(lax.scan((h: NdArray, b: Block) => [f(h, b), null], x, p)[0]))
const unrolled =
  (f: typeof block, n: number) =>
  (p: Block, x: NdArray): NdArray => {
    let h = x
    for (let i = 0; i < n; i++) h = f(h, { up: p.up.at(i).get(), down: p.down.at(i).get() })
    return np.mean(np.square(h))
  }
const close = (p: Block, q: Block): void => {
  for (const key of ['up', 'down'] as const) expect(np.max(np.abs(p[key].sub(q[key]))).item()).toBeLessThan(1e-6)
}
/** Bytes in use at most, but for parameters, their gradients and the batch. */
const peak = async (f: (p: Block, x: NdArray) => NdArray, n: number): Promise<number> => {
  const p = model(n)
  return (await explain(grad(f))(p, x)).peakBytes - 4 * (2 * (p.up.size + p.down.size) + x.size)
}

const policies: readonly CheckpointPolicy[] = ['nothing', 'everything', 'dots', 'dotsWithNoBatchDims', { names: ['hidden'] }]

describe('checkpoint', () => {
  test('is the function, with its derivatives, whatever it keeps, in a scan and by itself', () => {
    const p = model(3)
    const expected = grad(stacked(block))(p, x)
    for (const policy of policies) {
      close(grad(stacked(checkpoint(block, { policy })))(p, x), expected)
      close(jit(grad(unrolled(checkpoint(block, { policy }), 3)))(p, x), expected)
    }
    const f = (y: NdArray): NdArray => np.sum(np.sin(np.exp(y)).mul(y))
    const [y, dy] = [np.array([0.1, 0.2, 0.3]), np.array([1, -1, 2])]
    const same = (a: NdArray, b: NdArray): void => expect(np.max(np.abs(a.sub(b))).item()).toBeLessThan(1e-5)
    same(hessian(checkpoint(f))(y), hessian(f)(y))
    same(jvp(checkpoint(f), [y], [dy])[1], jvp(f, [y], [dy])[1])
    same(vmap(grad(checkpoint(f)))(np.stack([y, dy])), vmap(grad(f))(np.stack([y, dy])))
    same(grad(checkpoint(checkpoint(f)))(y), grad(f)(y))
  })
  test('called twice, each call keeps its own', () => {
    const kept = jit(checkpoint((y: NdArray) => np.atan(y), { policy: 'everything' })) // one jaxpr, met twice
    const f = (y: NdArray): NdArray => np.sum(kept(kept(y)))
    const plain = (y: NdArray): NdArray => np.sum(np.atan(np.atan(y)))
    const y = np.array([-0.8, -2.6])
    expect(np.max(np.abs(grad(f)(y).sub(grad(plain)(y)))).item()).toBeLessThan(1e-6)
    expect(np.max(np.abs(jit(grad(f))(y).sub(grad(plain)(y)))).item()).toBeLessThan(1e-6)
  })
  test('policies keep what they say', () => {
    const kept = (policy: CheckpointPolicy): string[] => {
      const { eqns } = makeJaxpr(
        grad(
          checkpoint((h: NdArray, b: Block) => np.sum(block(h, b)), { policy }),
          { argnums: [0, 1] },
        ),
      )(np.ones([2, WIDTH]), {
        up: np.ones([WIDTH, 8]),
        down: np.ones([8, WIDTH]),
      })
      const first = eqns.find(({ op }) => op.name === 'checkpoint')!
      return first.outs.map((v) => v.aval.shape.join('x')).filter((shape) => shape !== '')
    }
    expect(kept('nothing')).toEqual([])
    expect(kept('dots')).toContain('2x8')
    expect(kept('dotsWithNoBatchDims')).toEqual(kept('dots'))
    expect(kept({ names: ['hidden'] })).toEqual(['2x8'])
    expect(kept({ names: ['other'] })).toEqual([])
    expect(kept('everything').length).toBeGreaterThan(kept('dots').length)
  })
  test('24 blocks take a quarter of the memory at most, scanned or written out, and no pass undoes that', async () => {
    const [n, saved] = [24, checkpoint(block)]
    const figures = {
      scan: [await peak(stacked(block), n), await peak(stacked(saved), n)] as const,
      unrolled: [await peak(unrolled(block, n), n), await peak(unrolled(saved, n), n)] as const,
    }
    for (const [plain, less] of Object.values(figures)) expect(less / plain).toBeLessThanOrEqual(1 / 4)
    const { jaxpr } = await explain(grad(unrolled(saved, 2)))(model(2), x)
    const count = (word: RegExp): number => jaxpr.match(word)!.length
    expect(count(/= logistic /g)).toBe(2 * 2) // once forward and once backward for each block
    expect(count(/checkpoint\[/g)).toBe(2 * 2)
  })
  test('a policy that there is not is refused', () => {
    for (const policy of ['dot', { names: 'hidden' }, null, 3] as unknown as CheckpointPolicy[])
      expect(() => checkpoint(block, { policy })).toThrow(
        /policy is one of "nothing", "everything", "dots", .* or an object { names }, and got/,
      )
    expect(() => checkpointName(3 as never, 'a')).toThrow(/takes an array and a name/)
  })
})
