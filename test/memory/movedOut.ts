/** A program: 256 MiB of arrays, of which the heap holds half. Prints the MiB in use beyond those at first, as they are held, freed, back, and gone. */
import { bytesInUse, np } from '../../src/index.ts'

const MIB = 1 << 20
const gc = (globalThis as unknown as { readonly gc: () => void }).gc
const first = bytesInUse()
const inUse = (): number => Math.round((bytesInUse() - first) / MIB)
/** A function of its own, whose frame holds nothing afterwards. */
const countAll = (): readonly number[] => {
  const xs = Array.from({ length: 16 }, (_, i) => np.full([4, MIB], i))
  const held = inUse()
  for (const x of xs.slice(0, 4)) x.dispose()
  const freed = inUse()
  for (const x of xs.slice(4)) x.slice(0, 0).dispose()
  return [held, freed, inUse()]
}
const counts = countAll()
for (let i = 0; i < 20 && inUse() > 0; i++) {
  await new Promise((resolve) => setTimeout(resolve, 10))
  gc()
}
console.log(JSON.stringify([...counts, inUse()]))
