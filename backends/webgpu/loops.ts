/**
 * A program's steps as what can be encoded at one go, and the loops and branches between, for which a word is read from the device: the host
 * decides, and what is called meanwhile waits its turn.
 */
import type { HostCall } from '../../src/core/kernel.ts'
import type { LaunchStep, Step } from '../../src/core/program.ts'
import type { Spot } from './arena.ts'

/** `D`: what a run of launches becomes. */
export type Part<D> =
  | { readonly kind: 'straight'; readonly run: readonly D[] }
  | { readonly kind: 'loop'; readonly cond: readonly Part<D>[]; readonly test: Spot; readonly body: readonly Part<D>[] }
  | { readonly kind: 'repeat'; readonly trips: number; readonly counter: number; readonly body: readonly Part<D>[] }
  /** Data of the spots goes to the host, and comes back. */
  | { readonly kind: 'call'; readonly kernel: HostCall; readonly spots: readonly Spot[] }
  | { readonly kind: 'branch'; readonly index: Spot; readonly branches: readonly (readonly Part<D>[])[] }

export const inParts = <D>(
  steps: readonly Step[],
  spots: readonly Spot[],
  each: (together: readonly LaunchStep[]) => D,
): readonly Part<D>[] => {
  const parts: Part<D>[] = []
  let run: D[] = []
  let group: LaunchStep[] = []
  const close = (): void => {
    if (group.length === 0) return
    if (run.length === 0) parts.push({ kind: 'straight', run })
    run.push(each(group))
    group = []
  }
  for (const step of steps) {
    const call = step.kind === 'launch' && step.kernel.kind === 'hostCall' ? step.kernel : null
    if (step.kind === 'launch' && call === null) {
      if (step.beside !== true) close()
      group.push(step)
      continue
    }
    close()
    run = []
    if (step.kind === 'launch') {
      for (const { buffers } of step.segments) parts.push({ kind: 'call', kernel: call!, spots: buffers.map((id) => spots[id]!) })
      continue
    }
    const inner = (own: readonly Step[]): readonly Part<D>[] => inParts(own, spots, each)
    if (step.kind === 'loop') parts.push({ kind: 'loop', cond: inner(step.cond), test: spots[step.test]!, body: inner(step.body) })
    else if (step.kind === 'repeat') parts.push({ ...step, body: inner(step.body) })
    else parts.push({ kind: 'branch', index: spots[step.index]!, branches: step.branches.map(inner) })
  }
  close()
  return parts
}

export const mapParts = <D, E>(parts: readonly Part<D>[], each: (one: D) => readonly E[]): readonly Part<E>[] =>
  parts.map((part): Part<E> => {
    const inner = (own: readonly Part<D>[]): readonly Part<E>[] => mapParts(own, each)
    switch (part.kind) {
      case 'straight':
        return { kind: 'straight', run: part.run.flatMap(each) }
      case 'call':
        return part
      case 'loop':
        return { ...part, cond: inner(part.cond), body: inner(part.body) }
      case 'repeat':
        return { ...part, body: inner(part.body) }
      case 'branch':
        return { ...part, branches: part.branches.map(inner) }
    }
  })

/** What performing needs of the program that runs. */
export interface Host<D> {
  readonly encode: (run: readonly D[]) => void
  readonly word: (spot: Spot) => Promise<number>
  readonly call: (kernel: HostCall, spots: readonly Spot[]) => Promise<void>
  /** Which trip of a `repeat` begins. */
  readonly trip: (counter: number, trip: number) => void
}

const isStraight = <D>(part: Part<D>): boolean => part.kind === 'straight' || (part.kind === 'repeat' && part.body.every(isStraight))

/** Encodes parts in order; a promise where one has to wait for a word. What is repeated so many times waits for nothing. */
export const perform = <D>(parts: readonly Part<D>[], host: Host<D>): Promise<void> | undefined => {
  if (!parts.every(isStraight)) return performed(parts, host)
  for (const part of parts)
    if (part.kind === 'straight') host.encode(part.run)
    else if (part.kind === 'repeat')
      for (let i = 0; i < part.trips; i++) {
        host.trip(part.counter, i)
        void perform(part.body, host)
      }
  return undefined
}

const performed = async <D>(parts: readonly Part<D>[], host: Host<D>): Promise<void> => {
  const { word } = host
  const inner = (own: readonly Part<D>[]): Promise<void> | undefined => perform(own, host)
  for (const part of parts)
    switch (part.kind) {
      case 'straight':
        host.encode(part.run)
        break
      case 'call':
        await host.call(part.kernel, part.spots)
        break
      case 'loop':
        for (await inner(part.cond); (await word(part.test)) !== 0; await inner(part.cond)) await inner(part.body)
        break
      case 'repeat':
        for (let i = 0; i < part.trips; i++) {
          host.trip(part.counter, i)
          await inner(part.body)
        }
        break
      case 'branch': {
        // A word is unsigned, so that a negative index selects the last one too.
        const index = await word(part.index)
        await inner(part.branches[Math.min(index, part.branches.length - 1)]!)
      }
    }
}
