/** A program: a loop of small calls that never yields. Prints the kilobytes of JavaScript objects by which it grew between its middle and its end. */
import { jit, np } from '../../src/index.ts'

const CALLS = 600_000
const gc = (globalThis as unknown as { readonly gc: () => void }).gc
const f = jit((x: ReturnType<typeof np.ones>) => np.add(np.mul(x, 0.5), 1))
let x = np.zeros([4])
const used = (): number => {
  for (let i = 0; i < CALLS; i++) x = f(x)
  // what the last calls left moves out of the heap, and may be collected
  const large = Array.from({ length: 3 }, () => np.full([16, 1 << 20], 1))
  for (const y of large) y.dispose()
  gc()
  return process.memoryUsage().heapUsed / 1000
}
const middle = used()
console.log(JSON.stringify(Math.round(used() - middle)))
