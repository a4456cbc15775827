/**
 * A program on the device. Which slabs its arrays are in decides the pipelines and bind groups, which are kept for the next call that finds them
 * in the same slabs; where they are in them is written into the dispatches' records on every call.
 */
import type { Executable } from '../../src/core/backend.ts'
import type { Cache } from '../../src/core/cache.ts'
import { sizeOf } from '../../src/core/aval.ts'
import { type HostArray, hostFunction } from '../../src/core/callbacks.ts'
import { byteWidth, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { structure } from '../../src/core/structure.ts'
import type { Program } from '../../src/core/program.ts'
import { Arena, type Spot } from './arena.ts'
import { bind, type Bound, locate, offsetOf } from './bound.ts'
import { inParts, mapParts, type Part, perform } from './loops.ts'
import { type Launch, launchOf, planned, textOf } from './dispatches.ts'
import type { Pipelines } from './pipelines.ts'
import { shaderOf } from './shaders.ts'
import type { Block, Slab } from './slabs.ts'
import type { Storages, WebgpuStorage } from './storage.ts'
import type { Stream } from './stream.ts'
import type { Features, Shader } from './wgsl/shader.ts'

/** What programs on one device share. */
export interface Runtime {
  readonly storages: Storages
  readonly pipelines: Pipelines
  readonly stream: Stream
  readonly features: Features
  /** By `keyOf`: what was compiled before changes nothing. */
  readonly shaders: Cache<Shader>
  /** Bytes of the largest block. */
  readonly largest: number
  /** Blocks of at least so many bytes for intermediates: programs run one after another, so they share them. */
  readonly arena: (pages: readonly number[]) => readonly Block[]
  /** The first word of a block, behind all that is encoded. */
  readonly word: (slab: Slab, offset: number) => Promise<number>
  /** Bytes of a block, behind all that is encoded; and data to one, before what will be. */
  readonly bytes: (slab: Slab, offset: number, bytes: number) => Promise<ArrayBuffer>
  readonly write: (slab: Slab, offset: number, data: TypedArray) => void
  /** When all that was submitted is done. */
  readonly finished: () => Promise<unknown>
  /** Measures how a program's contractions are best computed; null where a cost model decides. */
  readonly tune: ((program: Program) => Promise<void>) | null
  /** Throws what went wrong on the device since. */
  readonly check: () => void
  /** Takes what went wrong after a call had returned. */
  readonly fail: (reason: unknown) => void
}

/** Where only the pattern counts. */
const ANY_SLAB = { id: -1 } as Slab

/** The ways to reduce rows depend on how many there are, which isn't code. */
export const keyOf = (kernel: Kernel): string => `${kernel.kind === 'nest' ? kernel.dims[0] : ''} ${structure(kernel)}`

/** Characters of its code. */
const lengthOf = ({ passes }: Shader): number => passes.reduce((sum, { declarations, body }) => sum + declarations.length + body.length, 0)

/** A program's launches, with what the arena has to hold for them. */
const compiled = (program: Program, { largest, shaders, features }: Runtime) => {
  const memory = new Arena(program, largest)
  const launches: (readonly Launch[])[] = []
  const parts = inParts(program.steps, memory.spots, (steps): readonly Launch[] => {
    const together = steps.map(({ kernel, segments }): Launch => {
      const key = keyOf(kernel)
      const shader = shaders.get(key) ?? shaderOf(kernel, features)
      shaders.set(key, shader, key.length + lengthOf(shader))
      return launchOf(kernel, segments, shader, memory)
    })
    launches.push(together)
    return together
  })
  return { memory, launches, parts }
}

export const executable = (program: Program, runtime: Runtime): Executable<WebgpuStorage> => {
  const { storages, pipelines, stream } = runtime
  const sizes = program.outputs.map((id) => program.buffers[id]!.size * byteWidth[program.buffers[id]!.dtype])
  let code = compiled(program, runtime)
  let tuned = runtime.tune === null
  let key = ''
  let bound: readonly Part<Bound>[] = []

  const tune = async (): Promise<void> => {
    if (tuned) return
    await runtime.tune!(program)
    tuned = true
    code = compiled(program, runtime)
    key = ''
  }
  const start = (inputs: readonly WebgpuStorage[], results: readonly WebgpuStorage[]): Promise<void> | undefined => {
    const pages = runtime.arena(code.memory.pages)
    const blockOf = (spot: Spot): Block => {
      if (spot.kind === 'slice') return blockOf(spot.of)
      return spot.kind === 'arena' ? pages[spot.page]! : (spot.kind === 'input' ? inputs : results)[spot.index]!.block
    }
    const blocks = [...pages, ...inputs.map(({ block }) => block), ...results.map(({ block }) => block)]
    const found = `${pipelines.refusals.size} ${blocks.map(({ slab }) => slab.id).join()}`
    if (found !== key) {
      bound = mapParts(code.parts, (together) => bind(together, blockOf, pipelines))
      key = found
    }
    const encode = (dispatches: readonly Bound[]): void => {
      locate(dispatches, blockOf, trips)
      stream.dispatch(dispatches)
    }
    const trips = new Map<number, number>()
    return perform(bound, {
      encode,
      call: async ({ call, inputs, shapes, args }, spots) => {
        const at = (spot: Spot) => [blockOf(spot).slab, offsetOf(spot, blockOf, trips)] as const
        const given: HostArray[] = []
        for (const [i, shape] of shapes.slice(0, inputs).entries()) {
          const bytes = await runtime.bytes(...at(spots[i]!), sizeOf(shape) * byteWidth[args[i]!])
          given.push({ shape, data: new (typedArrayOf(args[i]!))(bytes) })
        }
        const outs = hostFunction(call)(given, shapes.slice(inputs))
        stream.flush()
        outs.forEach((y, k) => runtime.write(...at(spots[inputs + k]!), y))
      },
      word: (spot) => runtime.word(blockOf(spot).slab, offsetOf(spot, blockOf, trips)),
      trip: (counter, trip) => trips.set(counter, trip),
    })
  }
  const run = (inputs: readonly WebgpuStorage[]): WebgpuStorage[] => {
    runtime.check()
    const results = program.outputs.map((id, i) => {
      const { place } = program.buffers[id]!
      return place.kind === 'input' ? inputs[place.index]! : storages.create(sizes[i]!)
    })
    const done = stream.inOrder(() => (tuned ? start(inputs, results) : tune().then(() => start(inputs, results))))
    if (done !== undefined) void done.catch(runtime.fail)
    return results
  }
  return {
    run,
    bytes: [...new Set(code.launches.flat().map(({ shader }) => shader))].reduce((sum, shader) => sum + lengthOf(shader), 0),
    ready: async () => {
      await stream.inOrder(tune)
      // As a rule all arrays are in one slab.
      const plans = code.launches.flatMap((together) => planned(together, () => ANY_SLAB))
      await Promise.all(plans.map((one) => pipelines.ready(one.label, one.code, 1)))
      runtime.check()
    },
    source: () => [...new Set(code.launches.flat().flatMap((launch) => launch.shader.passes.map((pass) => textOf(launch, pass))))],
  }
}
