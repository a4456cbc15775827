/**
 * Peak memory of training 24 blocks in a scan, with and without checkpoint, as the operating system saw it: `node memory.js`. What stands in memory
 * anyway (parameters, gradients, moments, code) is that of the same step on one token.
 */
import { spawnSync } from 'node:child_process'
import { checkpoint, explain, grad, jit, lax, np, tree } from 'cotangent'

const [BLOCKS, WIDTH, TOKENS] = [24, 256, 1024]
const shapes = {
  q: [WIDTH, WIDTH],
  k: [WIDTH, WIDTH],
  v: [WIDTH, WIDTH],
  o: [WIDTH, WIDTH],
  up: [WIDTH, 4 * WIDTH],
  down: [4 * WIDTH, WIDTH],
}
const params = () => Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, np.full([BLOCKS, ...shape], 0.01)]))
const norm = (y) => np.div(np.sub(y, y.mean({ axis: -1, keepdims: true })), np.sqrt(np.add(y.var({ axis: -1, keepdims: true }), 1e-5)))
const block = (h, p) => {
  const a = norm(h)
  const heads = (w) => np.transpose(np.reshape(np.matmul(a, w), [-1, 4, WIDTH / 4]), [1, 0, 2])
  const scores = np.mul(np.matmul(heads(p.q), np.transpose(heads(p.k), [0, 2, 1])), 0.125)
  const e = np.exp(np.sub(scores, scores.max({ axis: -1, keepdims: true })))
  const mixed = np.matmul(np.div(e, e.sum({ axis: -1, keepdims: true })), heads(p.v))
  const b = np.add(h, np.matmul(np.reshape(np.transpose(mixed, [1, 0, 2]), [-1, WIDTH]), p.o))
  const up = np.matmul(norm(b), p.up)
  return np.add(b, np.matmul(np.tanh(up), p.down))
}
const makeStep = (around) => {
  const loss = (ps, x) => np.mean(np.square(lax.scan((h, p) => [around(block)(h, p), null], x, ps)[0]))
  const step = (ps, m, x) => {
    const grads = grad(loss)(ps, x)
    const next = tree.map((a, g) => np.add(np.mul(a, 0.9), g), m, grads)
    return [tree.map((p, a) => np.sub(p, np.mul(a, 0.01)), ps, next), next]
  }
  return jit(step, { donateArgnums: [0, 1] })
}
const ways = { plain: (f) => f, checkpoint }

const [, , way, tokens] = process.argv
if (way !== undefined) {
  const step = makeStep(ways[way])
  let [ps, m] = [params(), tree.map(np.zerosLike, params())]
  const x = np.full([Number(tokens), WIDTH], 0.5)
  for (let i = 0; i < 2; i++) [ps, m] = step(ps, m, x)
  await tree.leaves(ps)[0].data()
  const planned = (await explain(step)(ps, m, x)).peakBytes
  console.log(JSON.stringify({ measured: process.resourceUsage().maxRSS * 1024, planned }))
} else {
  const run = (name, n) => JSON.parse(spawnSync(process.execPath, [process.argv[1], name, String(n)], { encoding: 'utf8' }).stdout)
  const over = (name) => {
    const [large, base] = [run(name, TOKENS), run(name, 1)]
    return { measured: (large.measured - base.measured) / 2 ** 20, planned: (large.planned - base.planned) / 2 ** 20 }
  }
  const [plain, checkpointed] = [over('plain'), over('checkpoint')]
  for (const kind of ['planned', 'measured'])
    console.log(
      `${kind}: ${plain[kind].toFixed(0)} MB without, ${checkpointed[kind].toFixed(0)} MB with checkpoint: ${(checkpointed[kind] / plain[kind]).toFixed(3)}`,
    )
}
