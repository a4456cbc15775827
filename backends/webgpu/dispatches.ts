/** A launch as dispatches: which arrays share bindings, which segments share a dispatch, and the records that tell a shader where its arrays are. */
import type { DType } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { nameOf } from '../../src/core/kernelTraits.ts'
import type { Segment } from '../../src/core/program.ts'
import type { Arena, Spot } from './arena.ts'
import { SLOTS } from './pipelines.ts'
import type { Slab } from './slabs.ts'
import { moduleOf, PLACES, RECORD_BYTES, recordQuads } from './wgsl/module.ts'
import type { Pass, Shader } from './wgsl/shader.ts'

export interface Launch {
  readonly kernel: Kernel
  readonly shader: Shader
  /** Where each array of a segment is, the shader's scratch arrays behind the kernel's args. */
  readonly segments: readonly { readonly spots: readonly Spot[]; readonly extent: number }[]
}

/** A dispatch before its pipeline is made. Its records wait for places: word `at` of them is where a spot's array starts. */
export interface Planned {
  readonly label: string
  readonly code: string
  readonly slabs: readonly Slab[]
  readonly records: Uint32Array
  readonly grid: readonly [number, number, number]
  readonly places: readonly { readonly at: number; readonly spot: Spot }[]
}

export const launchOf = (kernel: Kernel, segments: readonly Segment[], shader: Shader, arena: Arena): Launch => {
  const scratch = arena.scratch()
  return {
    kernel,
    shader,
    segments: segments.map(({ buffers, extent }) => ({
      spots: [...buffers.map((id) => arena.spots[id]!), ...shader.scratch.map((array) => scratch(array, extent))],
      extent,
    })),
  }
}

const dtypesOf = ({ kernel, shader }: Launch): readonly DType[] => [...kernel.args, ...shader.scratch.map(({ dtype }) => dtype)]
/** A pass's module where all arrays are in one slab. */
export const textOf = (launch: Launch, pass: Pass): string => {
  const dtypes = dtypesOf(launch)
  return moduleOf(
    pass,
    dtypes,
    dtypes.map(() => 0),
  )
}

/** Segments whose arrays lie alike, with the slab of each binding and the binding of each array. */
interface Batch {
  readonly slabs: readonly Slab[]
  readonly slots: readonly number[]
  readonly spots: (readonly Spot[])[]
  readonly extents: number[]
}

const batchesOf = ({ segments }: Launch, slabOf: (spot: Spot) => Slab, most: number): Batch[] => {
  const batches = new Map<string, Batch[]>()
  segments.forEach(({ spots, extent }) => {
    const of = spots.map(slabOf)
    const slabs = [...new Set(of)]
    if (slabs.length > SLOTS)
      throw new DeviceError(
        `a kernel's arrays are in ${slabs.length} buffers, and WebGPU gives it ${SLOTS}: combine fewer large arrays at a time, or dispose of some`,
      )
    const slots = of.map((slab) => slabs.indexOf(slab))
    const key = `${slabs.map(({ id }) => id).join()} ${slots.join()}`
    const alike = batches.get(key) ?? []
    batches.set(key, alike)
    if (alike.length === 0 || alike.at(-1)!.extents.length === most) alike.push({ slabs, slots, spots: [], extents: [] })
    alike.at(-1)!.spots.push(spots)
    alike.at(-1)!.extents.push(extent)
  })
  return [...batches.values()].flat()
}

/** Workgroups along one dimension of a dispatch. */
const MOST_GROUPS = 65_535

export const planned = (launch: Launch, slabOf: (spot: Spot) => Slab): Planned[] => {
  const { kernel, shader } = launch
  const dtypes = dtypesOf(launch)
  const words = 4 * recordQuads(dtypes.length)
  return batchesOf(launch, slabOf, Math.floor(RECORD_BYTES / (4 * words))).flatMap(({ slabs, slots, spots, extents }) =>
    shader.passes.flatMap((pass): Planned[] => {
      const groups = extents.map((extent) => pass.groups(extent))
      const widest = Math.max(...groups)
      if (widest === 0) return []
      const records = new Uint32Array(words * extents.length)
      extents.forEach((extent, s) => records.set([extent, groups[s]!, pass.span ?? 0], words * s))
      const x = Math.min(widest, MOST_GROUPS)
      return [
        {
          label: nameOf(kernel),
          code: moduleOf(pass, dtypes, slots),
          slabs,
          records,
          grid: [x, Math.ceil(widest / x), extents.length],
          places: spots.flatMap((own, s) => own.map((spot, i) => ({ at: words * s + PLACES + i, spot }))),
        },
      ]
    }),
  )
}
