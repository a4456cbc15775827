/**
 * Contractions by measurement: of each tile the way that the cost model thinks best, the best few of those, run on memory of their own; the
 * fastest is kept for every kernel of that text.
 */
import { DeviceError } from '../../src/core/errors.ts'
import type { Dot } from '../../src/core/kernel.ts'
import { type FixedPlace, launchesIn, type Program, type Segment, type Step } from '../../src/core/program.ts'
import { Arena } from './arena.ts'
import { bind, type BlockOf, locate } from './bound.ts'
import { launchOf, planned } from './dispatches.ts'
import { keyOf, type Runtime } from './executable.ts'
import { shaderOf } from './shaders.ts'
import type { Block } from './slabs.ts'
import type { Dispatch } from './stream.ts'
import { isTiled } from './wgsl/dot.ts'
import { type DotPlan, plansOf } from './wgsl/dotPlan.ts'

const MOST_TILES = 8
/** Milliseconds that a measurement should take, and how often one is made. */
const ENOUGH = 4
const TRIALS = 3

export class Tuner {
  readonly #chosen = new Map<string, DotPlan>()

  /** The plan that was measured to be the fastest, or the cost model's. */
  choose(kernel: Dot, plans: readonly DotPlan[]): DotPlan {
    return this.#chosen.get(keyOf(kernel)) ?? plans[0]!
  }

  /** Measures what a program's contractions are best computed by, where that isn't known yet. */
  async tune(program: Program, runtime: Runtime): Promise<void> {
    for (const { kernel, segments } of launchesIn(program.steps)) {
      const key = keyOf(kernel)
      if (kernel.kind !== 'dot' || !isTiled(kernel) || this.#chosen.has(key)) continue
      this.#chosen.set(key, await fastest(kernel, segments, program, runtime))
      runtime.shaders.drop(key)
    }
  }
}

const fastest = async (kernel: Dot, segments: readonly Segment[], { buffers }: Program, runtime: Runtime): Promise<DotPlan> => {
  const tried = new Set<unknown>()
  const plans = plansOf(kernel, runtime.features).filter(({ tile }) => !tried.has(tile) && tried.add(tile).size <= MOST_TILES)
  const sizes = segments[0]!.buffers.map((id) => buffers[id]!)
  let best = plans[0]!
  let least = Infinity
  for (const plan of plans) {
    const ms = await timeOf(plan, kernel, sizes, runtime)
    if (ms < least) [best, least] = [plan, ms]
  }
  return best
}

const timeOf = async (plan: DotPlan, kernel: Dot, args: Program['buffers'], runtime: Runtime): Promise<number> => {
  const { pipelines, largest, features } = runtime
  const { slabs } = runtime.storages
  const shader = shaderOf(kernel, { ...features, choose: () => plan })
  const own = args.map((_, i) => i)
  const step: Step = { kind: 'launch', kernel, segments: [{ buffers: own, extent: 1 }] }
  const inputs = args.map((arg, index) => ({ ...arg, place: { kind: 'input' as const, index } }))
  const arena = new Arena({ buffers: inputs, inputs: own, outputs: [], steps: [step], arenaBytes: 0, effects: false }, largest)
  const launch = launchOf(kernel, [{ buffers: own, extent: 1 }], shader, arena)
  const blocks: Block[] = []
  try {
    for (const bytes of [...inputs.map(({ size }) => 4 * size), ...arena.pages])
      try {
        blocks.push(slabs.allocate(bytes))
      } catch (reason) {
        if (reason instanceof DeviceError) return Infinity // there is no room for trying
        throw reason
      }
    const blockOf: BlockOf = (spot) =>
      blocks[spot.kind === 'arena' ? args.length + spot.page : (spot as FixedPlace & { readonly kind: 'input' }).index]!
    const plans = planned([launch], (spot) => blockOf(spot).slab)
    await Promise.all(plans.map((one) => pipelines.ready(one.label, one.code, one.slabs.length)))
    const dispatches = bind([launch], blockOf, pipelines)
    locate(dispatches, blockOf, new Map())
    return await timed(dispatches, runtime)
  } finally {
    for (const block of blocks) slabs.release(block, false)
  }
}

/** Milliseconds, the least of some trials, once the code is warm. */
const timed = async (dispatches: readonly Dispatch[], { stream, finished }: Runtime): Promise<number> => {
  const run = async (times: number): Promise<number> => {
    const start = performance.now()
    for (let i = 0; i < times; i++) stream.dispatch(dispatches)
    stream.flush()
    await finished()
    return (performance.now() - start) / times
  }
  await run(1)
  const once = await run(1)
  if (once > 10 * ENOUGH) return once
  const times = Math.max(1, Math.ceil(ENOUGH / once))
  let least = once
  for (let i = 0; i < TRIALS; i++) least = Math.min(least, await run(times))
  return least
}
