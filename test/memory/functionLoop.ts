/** Eager loops that never yield, over functions made anew each time, each with a megabyte of its own. Prints the megabytes left, and at most. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { customVjp, grad, init, lax, np, type NdArray, pureCallback, vmap } from '../../src/index.ts'

await init({ device: 'wasm' })
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const megabytes = (): number => {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 2 ** 20
}

const x = np.array([1, 2])
const turn = (): void => {
  const table = new Float64Array(2 ** 17).fill(1)
  pureCallback((y) => y.toTyped().map((v) => v + table[0]!), { shape: [2], dtype: 'float32' }, [x]).dispose()
  vmap((y: NdArray) => pureCallback((z) => z.item() + table[0]!, { shape: [], dtype: 'float32' }, [y]))(x).dispose()
  const scaled = customVjp((y: NdArray) => y.mul(2), (y) => [y.mul(2), y] as const, (_y, ct) => [ct.mul(table[0]!)]) // prettier-ignore
  scaled(x).dispose()
  grad((y: NdArray) => np.sum(vmap(scaled)(y)))(x).dispose()
  lax.customRoot((y: NdArray) => y.sub(x.mul(table[0]!)), x, () => x, (_g, y) => y).dispose() // prettier-ignore
}
for (let i = 0; i < 20; i++) turn()
const before = megabytes()
let most = 0
for (let i = 0; i < 200; i++) {
  turn()
  if (i % 20 === 19) most = Math.max(most, megabytes() - before)
}
console.log(JSON.stringify({ left: megabytes() - before, most }))
