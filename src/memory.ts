/** What arrays hold of the device's memory. */
import { runtime } from './core/runtime.ts'
import { takes } from './core/takes.ts'

/**
 * Bytes that live arrays hold on the device now. A loop that keeps a tree from step to step should find the same number after each.
 * What nobody holds any more and wasn't disposed of counts until the collector tells of it, which it does between tasks.
 *
 * @example const before = bytesInUse()
 * const x = np.ones([1024])
 * bytesInUse() - before >= 4 * x.size // true
 */
export const bytesInUse = /* @__PURE__ */ takes('bytesInUse', 0, (): number => runtime.device.current().bytesInUse())
