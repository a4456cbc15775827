/** What the laws need to know of a primitive: how to draw a call of it, and in which operands it is linear. */
import type { Jaxpr } from '../core/jaxpr.ts'
import type { OpName, OpParams } from '../core/ops.ts'
import type { Choices, Value } from './choices.ts'

/** Params and operands of one application of a primitive. */
export interface Draw<K extends OpName> {
  readonly params: OpParams[K]
  readonly inputs: readonly Value[]
}

export interface Generator<K extends OpName> {
  /** Everything that the primitive takes. */
  readonly any: (c: Choices) => Draw<K>
  /** Float operands in float64, inside the domain and at least 0.01 from where there is no derivative. */
  readonly smooth: (c: Choices) => Draw<K>
  /** The sets of operands that the primitive is linear in together (up to a constant); none where it has no transpose. */
  readonly linear: (draw: Draw<K>) => readonly (readonly number[])[]
  /** The derivative is zero by definition, though the function isn't constant; and so is what a transpose gives back. */
  readonly flat: boolean
  /** Forward mode is refused, by design. */
  readonly reverseOnly: boolean
  /** Reverse mode is refused, by design. */
  readonly forwardOnly: boolean
  /** The name of the mapped axis that must be around it. */
  readonly axisName: string | null
  /** What it computes, in other primitives, where no device computes it. */
  readonly meaning: ((draw: Draw<K>) => Jaxpr) | null
}

const usual = {
  linear: () => [],
  flat: false,
  reverseOnly: false,
  forwardOnly: false,
  axisName: null,
  meaning: null,
} as const

type Optional = 'linear' | 'flat' | 'reverseOnly' | 'forwardOnly' | 'axisName' | 'meaning'
export const generator = <K extends OpName>(g: Omit<Generator<K>, Optional> & Partial<Pick<Generator<K>, Optional>>): Generator<K> => ({
  ...usual,
  ...g,
})

/** The same draw for both: of integers, bools and keys, or a function that is smooth everywhere it is defined. */
export const onlyAny = <K extends OpName>(any: Generator<K>['any'], more: Partial<Pick<Generator<K>, Optional>> = {}): Generator<K> =>
  generator({ any, smooth: any, ...more })
