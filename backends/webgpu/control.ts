/**
 * A program's steps as what can be encoded at one go, and the loops and branches between, for which a word is read from the device: the host
 * decides, and what is called meanwhile waits its turn.
 */
import type { Step } from '../../src/core/program.ts'
import type { Spot } from './arena.ts'

/** `D`: what a run of launches becomes. */
export type Part<D> =
  | { readonly kind: 'straight'; readonly run: readonly D[] }
  | { readonly kind: 'loop'; readonly cond: readonly Part<D>[]; readonly test: Spot; readonly body: readonly Part<D>[] }
  | { readonly kind: 'branch'; readonly index: Spot; readonly branches: readonly (readonly Part<D>[])[] }

type LaunchStep = Step & { readonly kind: 'launch' }

export const inParts = <D>(steps: readonly Step[], spots: readonly Spot[], each: (step: LaunchStep) => D): readonly Part<D>[] => {
  const parts: Part<D>[] = []
  let run: D[] = []
  for (const step of steps) {
    if (step.kind === 'launch') {
      if (run.length === 0) parts.push({ kind: 'straight', run })
      run.push(each(step))
      continue
    }
    run = []
    const inner = (own: readonly Step[]): readonly Part<D>[] => inParts(own, spots, each)
    if (step.kind === 'loop') parts.push({ kind: 'loop', cond: inner(step.cond), test: spots[step.test]!, body: inner(step.body) })
    else parts.push({ kind: 'branch', index: spots[step.index]!, branches: step.branches.map(inner) })
  }
  return parts
}

export const mapParts = <D, E>(parts: readonly Part<D>[], each: (one: D) => readonly E[]): readonly Part<E>[] =>
  parts.map((part): Part<E> => {
    const inner = (own: readonly Part<D>[]): readonly Part<E>[] => mapParts(own, each)
    switch (part.kind) {
      case 'straight':
        return { kind: 'straight', run: part.run.flatMap(each) }
      case 'loop':
        return { ...part, cond: inner(part.cond), body: inner(part.body) }
      case 'branch':
        return { ...part, branches: part.branches.map(inner) }
    }
  })

/** Encodes parts in order; a promise where one has to wait for a word. */
export const perform = <D>(
  parts: readonly Part<D>[],
  encode: (run: readonly D[]) => void,
  word: (spot: Spot) => Promise<number>,
): Promise<void> | undefined => {
  if (parts.some(({ kind }) => kind !== 'straight')) return performed(parts, encode, word)
  for (const part of parts) if (part.kind === 'straight') encode(part.run)
  return undefined
}

const performed = async <D>(
  parts: readonly Part<D>[],
  encode: (run: readonly D[]) => void,
  word: (spot: Spot) => Promise<number>,
): Promise<void> => {
  const inner = (own: readonly Part<D>[]): Promise<void> | undefined => perform(own, encode, word)
  for (const part of parts)
    switch (part.kind) {
      case 'straight':
        encode(part.run)
        break
      case 'loop':
        for (await inner(part.cond); (await word(part.test)) !== 0; await inner(part.cond)) await inner(part.body)
        break
      case 'branch': {
        // A word is unsigned, so that a negative index selects the last one too.
        const index = await word(part.index)
        await inner(part.branches[Math.min(index, part.branches.length - 1)]!)
      }
    }
}
