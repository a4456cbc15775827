/** A launch as dispatches: which arrays share bindings, which segments share a dispatch, and the records that tell a shader where its arrays are. */
import { byteWidth, type DType } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { nameOf } from '../../src/core/kernelName.ts'
import type { Place, Program, Segment } from '../../src/core/program.ts'
import { SLOTS } from './pipelines.ts'
import type { Slab } from './slabs.ts'
import { moduleOf, PLACES, RECORD_BYTES, recordQuads } from './wgsl/module.ts'
import type { Pass, Scratch, Shader } from './wgsl/shader.ts'

export interface Launch {
  readonly kernel: Kernel
  readonly shader: Shader
  readonly segments: readonly Segment[]
  /** Byte offsets of the shader's scratch arrays in the arena, for each segment. */
  readonly scratch: readonly (readonly number[])[]
  /** Bytes of arena that it needs, scratch included. */
  readonly arenaBytes: number
}

/** A dispatch before its pipeline is made. Its records wait for places: word `at` of them is where a place's array starts. */
export interface Planned {
  readonly label: string
  readonly code: string
  readonly slabs: readonly Slab[]
  readonly records: Uint32Array
  readonly grid: readonly [number, number, number]
  readonly places: readonly { readonly at: number; readonly place: Place }[]
}

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16

/** Scratch lies behind the program's own arena. */
export const launchOf = (kernel: Kernel, segments: readonly Segment[], shader: Shader, arenaBytes: number): Launch => {
  let next = align(arenaBytes)
  const place = ({ size, dtype }: Scratch): number => {
    const at = next
    next += align(size * byteWidth[dtype])
    return at
  }
  const scratch = segments.map(() => shader.scratch.map(place))
  return { kernel, shader, segments, scratch, arenaBytes: next }
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
  readonly places: (readonly Place[])[]
  readonly extents: number[]
}

const batchesOf = ({ segments, scratch }: Launch, program: Program, slabOf: (place: Place) => Slab, most: number): Batch[] => {
  const batches = new Map<string, Batch[]>()
  segments.forEach(({ buffers, extent }, s) => {
    const places = [...buffers.map((id) => program.buffers[id]!.place), ...scratch[s]!.map((offset): Place => ({ kind: 'arena', offset }))]
    const of = places.map(slabOf)
    const slabs = [...new Set(of)]
    if (slabs.length > SLOTS)
      throw new DeviceError(
        `a kernel's arrays are in ${slabs.length} buffers, and WebGPU gives it ${SLOTS}: combine fewer large arrays at a time, or dispose of some`,
      )
    const slots = of.map((slab) => slabs.indexOf(slab))
    const key = `${slabs.map(({ id }) => id).join()} ${slots.join()}`
    const alike = batches.get(key) ?? []
    batches.set(key, alike)
    if (alike.length === 0 || alike.at(-1)!.extents.length === most) alike.push({ slabs, slots, places: [], extents: [] })
    alike.at(-1)!.places.push(places)
    alike.at(-1)!.extents.push(extent)
  })
  return [...batches.values()].flat()
}

/** Workgroups along one dimension of a dispatch. */
const MOST_GROUPS = 65_535

export const planned = (launch: Launch, program: Program, slabOf: (place: Place) => Slab): Planned[] => {
  const { kernel, shader } = launch
  const dtypes = dtypesOf(launch)
  const words = 4 * recordQuads(dtypes.length)
  return batchesOf(launch, program, slabOf, Math.floor(RECORD_BYTES / (4 * words))).flatMap(({ slabs, slots, places, extents }) =>
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
          places: places.flatMap((own, s) => own.map((place, i) => ({ at: words * s + PLACES + i, place }))),
        },
      ]
    }),
  )
}
