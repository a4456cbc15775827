/** A program: an eager loop of so many steps that never yields, disposes of nothing and awaits nothing. Prints its peak memory and its last value. */
import { np } from '../../src/index.ts'

const STEPS = Number(process.argv[2])
const one = np.ones([512, 512]) // 1 MB
let x = np.zeros([512, 512])
const begin = performance.now()
for (let step = 0; step < STEPS; step++) x = np.add(np.mul(x, 0.5), one)
console.log(
  JSON.stringify({
    value: np.max(x).item(),
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    seconds: (performance.now() - begin) / 1000,
  }),
)
