/** A tour: a two-layer network learns XOR through jit(valueAndGrad(loss)), and what the compiler made of it. */
import { jit, makeJaxpr, type NdArray, np, random, tree, valueAndGrad, vmap } from '../src/index.ts'

interface Params {
  readonly w1: NdArray // [2,8]
  readonly b1: NdArray // [8]
  readonly w2: NdArray // [8]
}

const predict = (p: Params, x: NdArray): NdArray => np.tanh(x.matmul(p.w1).add(p.b1)).matmul(p.w2) // [2] -> []
const loss = (p: Params, xs: NdArray, ys: NdArray): NdArray =>
  vmap((x: NdArray) => predict(p, x))(xs)
    .sub(ys)
    .pow(2)
    .mean()

const step = jit(
  (p: Params, xs: NdArray, ys: NdArray, rate: number | NdArray) => {
    const [value, gradient] = valueAndGrad(loss)(p, xs, ys)
    return [value, tree.map((w, g) => w.sub(g.mul(rate)), p, gradient)] as const
  },
  { donateArgnums: [0] },
)

const xs = np.array([
  [-1, -1],
  [-1, 1],
  [1, -1],
  [1, 1],
])
const ys = np.array([-1, 1, 1, -1])
let params: Params = {
  w1: random.normal(random.key(0), [2, 8]),
  b1: random.normal(random.key(2), [8]),
  w2: random.normal(random.key(1), [8]),
}

console.log(String(makeJaxpr(predict)(params, np.array([1, -1]))))
for (let i = 0; i <= 200; i++) {
  const [value, next] = step(params, xs, ys, 0.05)
  params = next
  if (i % 50 === 0) console.log(`step ${String(i).padStart(3)}  loss ${value.item().toFixed(5)}`)
}
console.log('predictions', vmap((x: NdArray) => predict(params, x))(xs))
