/**
 * The threefry block on four lanes, for what draws random numbers.
 */
import type { FunctionHandle, Local, ModuleBuilder } from './assembler.ts'
import { calculator } from './vec.ts'

/** (k0, k1, x0, x1) -> both words of threefry2x32, 20 rounds. */
export const threefry = (module: ModuleBuilder): FunctionHandle =>
  module.once('threefry', () => {
    const f = module.func('threefry', ['v128', 'v128', 'v128', 'v128'], ['v128', 'v128'])
    const c = calculator(f)
    const { I, B } = c
    const [k0, k1, x0, x1] = f.params as readonly [Local, Local, Local, Local]
    const keys = [k0, k1, c.hold(B.xor(B.xor(k0, k1), 0x1bd11bda))] as const
    f.set(x0, I.add(x0, k0))
    f.set(x1, I.add(x1, k1))
    const rotations = [
      [13, 15, 26, 6],
      [17, 29, 16, 24],
    ]
    for (let group = 0; group < 5; group++) {
      for (const r of rotations[group % 2] as readonly number[]) {
        f.set(x0, I.add(x0, x1))
        f.set(x1, B.xor(B.or(I.shl(x1, r), I.shr_u(x1, 32 - r)), x0))
      }
      f.set(x0, I.add(x0, keys[(group + 1) % 3] as Local))
      f.set(x1, I.add(I.add(x1, keys[(group + 2) % 3] as Local), group + 1))
    }
    f.push(x0, x1)
    return f
  })
