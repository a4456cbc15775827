/**
 * What tracing and calling cost, medians with garbage collection in them: `npm run overhead`, and beside it `python3 overhead.py` with jax installed.
 * Both run the same functions.
 */
import { grad, jit, lax, makeJaxpr, np, tree, valueAndGrad } from 'cotangent'

/** Microseconds of one run, the median of runs for a second or more. */
const median = (f, per = 1) => {
  for (let i = 0; i < 20; i++) f()
  const times = []
  for (const start = performance.now(); performance.now() - start < 1500 || times.length < 30;) {
    const t = performance.now()
    f()
    times.push(((performance.now() - t) * 1000) / per)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1]
}

const chain = (n) => (x) => {
  for (let i = 0; i < n; i++) x = np.sin(np.mul(x, 1.5))
  return np.sum(x)
}
const x = np.ones([8])
const equations = (f) => makeJaxpr(f)(x).eqns.length
const n = 500
const forward = equations(chain(n))
const both = equations(grad(chain(n)))

const params = Array.from({ length: 48 }, () => np.ones([4]))
const sum = jit((ps) => ps.map((p) => np.add(p, 1)))
sum(params)

/** A transformer of 12 layers as one would write it, unrolled, without a library's layers. */
const layer = (p, h) => {
  const norm = (y) => np.div(np.sub(y, y.mean({ axis: -1, keepdims: true })), np.sqrt(np.add(y.var({ axis: -1, keepdims: true }), 1e-5)))
  const a = norm(h)
  const heads = (w) => np.transpose(np.reshape(np.matmul(a, w), [-1, 4, 16]), [1, 0, 2])
  const [q, k, v] = [heads(p.q), heads(p.k), heads(p.v)]
  const scores = np.mul(np.matmul(q, np.transpose(k, [0, 2, 1])), 0.25)
  const e = np.exp(np.sub(scores, scores.max({ axis: -1, keepdims: true })))
  const weights = np.div(e, e.sum({ axis: -1, keepdims: true }))
  const mixed = np.matmul(np.reshape(np.transpose(np.matmul(weights, v), [1, 0, 2]), [-1, 64]), p.o)
  const b = np.add(h, mixed)
  const up = np.matmul(norm(b), p.up)
  return np.add(b, np.matmul(np.mul(up, np.div(1, np.add(1, np.exp(np.neg(up))))), p.down))
}
const square = () => np.ones([64, 64])
const blocks = Array.from({ length: 12 }, () => ({
  q: square(),
  k: square(),
  v: square(),
  o: square(),
  up: np.ones([64, 256]),
  down: np.ones([256, 64]),
}))
const loss = (ps, h) => np.mean(np.square(ps.reduce((y, p) => layer(p, y), h)))
const step = (ps, h) => {
  const [value, grads] = valueAndGrad(loss)(ps, h)
  return [value, tree.map((p, g) => np.sub(p, np.mul(g, 0.01)), ps, grads)]
}
const h = np.ones([32, 64])

const report = {
  'trace, µs an equation': median(() => makeJaxpr(chain(n))(x), forward),
  'grad, µs an equation of its result': median(() => makeJaxpr(grad(chain(n)))(x), both),
  'grad, µs an equation of the function': median(() => makeJaxpr(grad(chain(n)))(x), forward),
  'jitted call of 48 leaves, µs': median(() => {
    for (const y of sum(params)) y.dispose()
  }),
  'the same, its results left to the collector, µs': median(() => sum(params)),
  '12 layers unrolled, trace and transform, ms': median(() => makeJaxpr(step)(blocks, h)) / 1000,
  '12 layers unrolled, equations': equationsOf(),
}
function equationsOf() {
  return makeJaxpr(step)(blocks, h).eqns.length
}
for (const [what, value] of Object.entries(report)) console.log(`${what}: ${value.toPrecision(3)}`)
for (const size of [2_000, 20_000, 100_000]) {
  const start = performance.now()
  const eqns = makeJaxpr(grad(chain(size / 2)))(x).eqns.length
  console.log(`grad of ${size} equations: ${eqns} equations in ${(performance.now() - start).toFixed(0)} ms`)
}

/** A train step of n blocks in a scan, to code: each time for another width, which nothing has been compiled for. */
const scanned = async (n, width) => {
  const mlp = (y, p) => [np.add(y, np.matmul(np.tanh(np.matmul(y, p.up)), p.down)), null]
  const total = (ps, x) => np.mean(np.square(lax.scan(mlp, x, ps)[0]))
  const train = (ps, x) => tree.map((p, g) => np.sub(p, g), ps, grad(total)(ps, x))
  const float = (shape) => ({ shape, dtype: 'float32' })
  const start = performance.now()
  const lowered = jit(train).lower({ up: float([n, width, 2 * width]), down: float([n, 2 * width, width]) }, float([8, width]))
  await lowered.compile()
  return { ms: performance.now() - start, eqns: lowered.jaxpr.eqns.length }
}
const times = { 2: [], 48: [] }
let eqns = {}
for (let i = 0; i < 15; i++)
  for (const n of [2, 48]) {
    const one = await scanned(n, 32 + 2 * i + (n === 2 ? 0 : 1))
    if (i >= 5) times[n].push(one.ms)
    eqns = { ...eqns, [n]: one.eqns }
  }
const middle = (xs) => xs.sort((a, b) => a - b)[xs.length >> 1]
console.log(
  `a scan of 48 blocks against one of 2, traced and compiled: ${middle(times[48]).toFixed(1)} ms against ${middle(times[2]).toFixed(1)} ms: ${(middle(times[48]) / middle(times[2])).toFixed(2)}; equations ${eqns[48]} and ${eqns[2]}`,
)
