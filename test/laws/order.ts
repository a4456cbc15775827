/** What any device relies on in a program: a buffer is read after it was written, and no memory is written while what it holds is still wanted. */
import { byteWidth } from '../../src/core/dtype.ts'
import { writesOf } from '../../src/core/kernelTraits.ts'
import type { Program } from '../../src/core/program.ts'

/** The first read of memory that was never written, or was written over, in words. */
export const disorder = ({ buffers, inputs, outputs, steps }: Program): string | null => {
  /** The buffers whose contents memory holds now, by their bytes: [memory, first, last). */
  let held = new Map<number, readonly [memory: string, from: number, to: number]>()
  const rangeOf = (id: number): readonly [string, number, number] => {
    const { place, size, dtype } = buffers[id]!
    if (place.kind === 'slice') throw new Error('this knows no loops')
    const from = place.kind === 'arena' ? place.offset : 0
    return [place.kind === 'arena' ? 'arena' : `${place.kind} ${place.index}`, from, from + size * byteWidth[dtype]]
  }
  const write = (id: number): void => {
    const [memory, from, to] = rangeOf(id)
    held = new Map([...held].filter(([, [m, a, b]]) => m !== memory || b <= from || a >= to))
    held.set(id, [memory, from, to])
  }
  const missing = (id: number): boolean => buffers[id]!.size > 0 && !held.has(id)
  inputs.forEach(write)
  for (const [k, step] of steps.entries()) {
    if (step.kind !== 'launch') return `step ${k} is a ${step.kind}, of which this knows nothing`
    const outs = new Set(writesOf(step.kernel))
    const all = step.segments.flatMap((segment) => segment.buffers.map((id, arg) => ({ id, out: outs.has(arg) })))
    const lost = all.find(({ id, out }) => !out && missing(id))
    if (lost !== undefined) return `step ${k}, a ${step.kernel.kind}, reads buffer ${lost.id}, which memory doesn't hold`
    for (const { id, out } of all) if (out) write(id)
    const twice = all.find(({ id, out }) => out && missing(id))
    if (twice !== undefined) return `step ${k}, a ${step.kernel.kind}, writes buffer ${twice.id} and then over it`
  }
  const gone = outputs.find(missing)
  return gone === undefined ? null : `the result in buffer ${gone} isn't there in the end`
}
