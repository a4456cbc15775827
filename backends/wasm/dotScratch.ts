/** Blocks of scratch memory for one kernel. */
import type { FunctionBuilder, Local } from './assembler.ts'
import { add } from './dotIndex.ts'
import { roundUp } from './dotPlan.ts'

/** Locals that hold the addresses of scratch blocks of these sizes in bytes. */
export const layOut = (f: FunctionBuilder, sizes: readonly number[]): Local[] => {
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + roundUp(size, 64), 0))
  const base = f.module.scratch((starts.at(-1) ?? 0) + roundUp(sizes.at(-1) ?? 0, 64))
  return starts.map((offset) => {
    const local = f.local('i32')
    add(f, () => f.getGlobal(base), offset, local)
    return local
  })
}
