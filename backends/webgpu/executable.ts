/**
 * A program on the device. Which slabs its arrays are in decides the pipelines and bind groups, which are kept for the next call that finds them
 * in the same slabs; where they are in them is written into the dispatches' records on every call.
 */
import type { Executable } from '../../src/core/backend.ts'
import { byteWidth } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import type { Place, Program } from '../../src/core/program.ts'
import { structure } from '../../src/core/structure.ts'
import { launchOf, type Planned, planned, textOf } from './dispatches.ts'
import type { Pipelines } from './pipelines.ts'
import { shaderOf } from './shaders.ts'
import type { Block, Slab } from './slabs.ts'
import type { Storages, WebgpuStorage } from './storage.ts'
import type { Dispatch, Stream } from './stream.ts'
import type { Features, Shader } from './wgsl/shader.ts'

/** What programs on one device share. */
export interface Runtime {
  readonly storages: Storages
  readonly pipelines: Pipelines
  readonly stream: Stream
  readonly features: Features
  readonly shaders: Map<string, Shader>
  /** A block of at least so many bytes for intermediates: programs run one after another, so they share it. */
  readonly arena: (bytes: number) => Block
  /** Throws what went wrong on the device since. */
  readonly check: () => void
}

/** Where only the pattern counts. */
const ANY_SLAB = { id: -1 } as Slab

export const executable = (program: Program, runtime: Runtime): Executable<WebgpuStorage> => {
  const { storages, pipelines, stream, features, shaders } = runtime
  const launches = program.steps.map((step) => {
    if (step.kind !== 'launch') throw new DeviceError(`a program with a ${step.kind} can't run on webgpu yet: use wasm`)
    const key = structure(step.kernel)
    const shader = shaders.get(key) ?? shaderOf(step.kernel, features)
    shaders.set(key, shader)
    return launchOf(step.kernel, step.segments, shader, program.arenaBytes)
  })
  const arenaBytes = Math.max(0, ...launches.map((launch) => launch.arenaBytes))
  const sizes = program.outputs.map((id) => program.buffers[id]!.size * byteWidth[program.buffers[id]!.dtype])
  const plan = (slabOf: (place: Place) => Slab): Planned[] => launches.flatMap((launch) => planned(launch, program, slabOf))
  let key = ''
  let dispatches: readonly (Planned & Dispatch)[] = []

  const run = (inputs: readonly WebgpuStorage[]): WebgpuStorage[] => {
    runtime.check()
    const results = program.outputs.map((id, i) => {
      const { place } = program.buffers[id]!
      return place.kind === 'input' ? inputs[place.index]! : storages.create(sizes[i]!)
    })
    const arena = runtime.arena(arenaBytes)
    const blockOf = (place: Place): Block =>
      place.kind === 'arena' ? arena : (place.kind === 'input' ? inputs : results)[place.index]!.block
    const found = [arena, ...inputs.map(({ block }) => block), ...results.map(({ block }) => block)].map(({ slab }) => slab.id).join()
    if (found !== key) {
      dispatches = plan((place) => blockOf(place).slab).map((one) => ({
        ...one,
        pipeline: pipelines.pipeline(one.label, one.code, one.slabs.length),
        memory: pipelines.memory(one.slabs),
      }))
      key = found
    }
    for (const { records, places } of dispatches)
      for (const { at, place } of places) records[at] = (blockOf(place).offset + (place.kind === 'arena' ? place.offset : 0)) / 4
    stream.dispatch(dispatches)
    return results
  }
  return {
    run,
    ready: async () => {
      // As a rule all arrays are in one slab.
      await Promise.all(plan(() => ANY_SLAB).map(({ label, code }) => pipelines.ready(label, code, 1)))
      runtime.check()
    },
    source: () => [...new Set(launches.flatMap((launch) => launch.shader.passes.map((pass) => textOf(launch, pass))))],
  }
}
