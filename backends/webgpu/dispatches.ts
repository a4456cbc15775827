/** A launch as dispatches: which arrays share bindings, which segments share a dispatch, and the records that tell a shader where its arrays are. */
import type { DType } from '../../src/core/dtype.ts'
import { DeviceError } from '../../src/core/errors.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { nameOf } from '../../src/core/kernelTraits.ts'
import type { Segment } from '../../src/core/program.ts'
import type { Arena, Spot } from './arena.ts'
import { SLOTS } from './pipelines.ts'
import type { Slab } from './slabs.ts'
import { moduleOf, PLACES, RECORD_BYTES, recordQuads, workgroupBytes } from './wgsl/module.ts'
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

/** A pass over segments whose arrays lie alike. */
interface One {
  readonly label: string
  readonly pass: Pass
  readonly dtypes: readonly DType[]
  readonly batch: Batch
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
  return moduleOf([{ pass, dtypes, slots: dtypes.map(() => 0), segments: 1 }])
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

const isSame = (a: Spot, b: Spot): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

/** Workgroups along one dimension of a dispatch. */
const MOST_GROUPS = 65_535

/** Launches that are independent of one another: one dispatch where that can be, else one after the other. */
export const planned = (together: readonly Launch[], slabOf: (spot: Spot) => Slab): Planned[] => {
  const each = together.map((launch) => onesOf(launch, slabOf))
  const all = each.flat()
  const alike = all.length < 2 || each.some((ones) => ones.length > 1) ? undefined : [all, all.map(widened)].find(fit)
  return alike === undefined ? all.map((one) => dispatchOf([one])) : [dispatchOf(alike)]
}
const widened = (one: One): One => ({ ...one, pass: one.pass.widened?.() ?? one.pass })

const onesOf = (launch: Launch, slabOf: (spot: Spot) => Slab): One[] => {
  const { kernel, shader } = launch
  const dtypes = dtypesOf(launch)
  return batchesOf(launch, slabOf, Math.floor(RECORD_BYTES / (16 * recordQuads(dtypes.length)))).flatMap((batch) =>
    shader.passes
      .filter(({ copies }) => copies === undefined || !batch.spots.every((own) => isSame(own[copies[0]]!, own[copies[1]]!)))
      .filter((pass) => batch.extents.some((extent) => pass.groups(extent) > 0))
      .map((pass) => ({ label: nameOf(kernel), pass, dtypes, batch })),
  )
}

const slabsOf = (all: readonly One[]): readonly Slab[] => [...new Set(all.flatMap(({ batch }) => batch.slabs))]
const quadsOf = (all: readonly One[]): number => Math.max(...all.map(({ dtypes }) => recordQuads(dtypes.length)))
const segmentsOf = (all: readonly One[]): number => all.flatMap(({ batch }) => batch.extents).length
/** What every device has room for. */
const WORKGROUP_BYTES = 16_384
/** Whether passes can be one dispatch: of one size, over memory that is bound in one way, with all they need. */
const fit = (all: readonly One[]): boolean =>
  new Set(all.map(({ pass }) => `${pass.workgroupSize} ${pass.wide === true}`)).size <= 1 &&
  slabsOf(all).length <= SLOTS &&
  all.reduce((sum, { pass }) => sum + workgroupBytes(pass), 0) <= WORKGROUP_BYTES &&
  16 * quadsOf(all) * segmentsOf(all) <= RECORD_BYTES

const dispatchOf = (all: readonly One[]): Planned => {
  const slabs = slabsOf(all)
  const words = 4 * quadsOf(all)
  const segments = all.flatMap(({ pass, batch }) =>
    batch.extents.map((extent, i) => ({ extent, groups: pass.groups(extent), span: pass.span ?? 0, spots: batch.spots[i]! })),
  )
  const records = new Uint32Array(words * segments.length)
  segments.forEach(({ extent, groups, span }, s) => records.set([extent, groups, span], words * s))
  const widest = Math.max(...segments.map(({ groups }) => groups))
  const x = Math.min(widest, MOST_GROUPS)
  return {
    label: all.map(({ label }) => label).join(' | '),
    code: moduleOf(
      all.map(({ pass, dtypes, batch }) => ({
        pass,
        dtypes,
        slots: batch.slots.map((slot) => slabs.indexOf(batch.slabs[slot]!)),
        segments: batch.extents.length,
      })),
    ),
    slabs,
    records,
    grid: [x, Math.ceil(widest / x), segments.length],
    places: segments.flatMap(({ spots }, s) => spots.map((spot, i) => ({ at: words * s + PLACES + i, spot }))),
  }
}
