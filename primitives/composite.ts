/** What the lowering of loops and branches shares: programs that become steps of the program around them. */
import { physical } from '../src/core/aval.ts'
import { byteWidth, type DType } from '../src/core/dtype.ts'
import type { Node } from '../src/core/graph.ts'
import type { Atom, Jaxpr } from '../src/core/jaxpr.ts'
import type { Buffer, Program, Step } from '../src/core/program.ts'
import type { Lowering } from '../src/core/rules.ts'

/** An array's shape and dtype as a device has it. */
export interface Slot {
  readonly shape: readonly number[]
  readonly dtype: DType
}
export const slotsOf = (atoms: readonly Atom[]): readonly Slot[] => atoms.map(({ aval }) => physical(aval))
export const inputNodes = (slots: readonly Slot[]): Node[] =>
  slots.map(({ shape, dtype }, index) => ({ kind: 'input', index, shape, dtype }))

/** The buffers of one loop or branch: of its operands, of its results, and its own memory behind them. */
export class Frame {
  readonly operands: readonly number[]
  readonly results: readonly number[]
  /** The buffer that stands for its memory. No other loop has it, so it is the loop's name too. */
  readonly memory: number
  readonly buffers: Buffer[]
  constructor(ids: readonly number[], operands: number, buffers: Buffer[]) {
    this.operands = ids.slice(0, operands)
    this.results = ids.slice(operands, -1)
    this.memory = ids.at(-1)!
    this.buffers = buffers
  }
  add(buffer: Buffer): number {
    return this.buffers.push(buffer) - 1
  }
  /** An array in its memory. */
  own(offset: number, { dtype, size }: Pick<Buffer, 'dtype' | 'size'>): number {
    const { place } = this.buffers[this.memory]!
    if (place.kind !== 'arena') throw new Error('internal: memory of a loop that is no intermediate')
    return this.add({ dtype, size, place: { kind: 'arena', offset: place.offset + offset } })
  }
  /** A program's steps, its arena at `offset` of the memory. */
  embed({ buffers, steps }: Program, inputs: readonly number[], outputs: readonly number[], offset: number): Step[] {
    const ids: number[] = []
    for (const { place, ...array } of buffers) {
      if (place.kind === 'arena') ids.push(this.own(offset + place.offset, array))
      else if (place.kind === 'slice')
        ids.push(this.add({ ...array, place: { ...place, of: ids[place.of]!, counter: ids[place.counter]! } }))
      else ids.push((place.kind === 'input' ? inputs : outputs)[place.index]!)
    }
    return renamed(steps, ids)
  }
}

const renamed = (steps: readonly Step[], ids: readonly number[]): Step[] =>
  steps.map((step): Step => {
    switch (step.kind) {
      case 'launch':
        return { ...step, segments: step.segments.map((segment) => ({ ...segment, buffers: segment.buffers.map((id) => ids[id]!) })) }
      case 'loop':
        return { ...step, cond: renamed(step.cond, ids), test: ids[step.test]!, body: renamed(step.body, ids) }
      case 'repeat':
        return { ...step, counter: ids[step.counter]!, body: renamed(step.body, ids) }
      case 'branch':
        return { ...step, index: ids[step.index]!, branches: step.branches.map((branch) => renamed(branch, ids)) }
    }
  })

/** Results computed by steps that `steps` makes, with `bytes` of memory; done in any case where they have effects. */
export const composite = (
  args: readonly Node[],
  outs: readonly Slot[],
  bytes: number,
  effects: boolean,
  lowering: Lowering,
  steps: (frame: Frame) => readonly Step[],
): Node[] => {
  const parts: Node[] = []
  const node: Node & { readonly kind: 'special' } = {
    kind: 'special',
    kernel: { kind: 'composite', steps: (ids, buffers) => steps(new Frame(ids, args.length, buffers)) },
    args,
    outs: parts,
    restrided: null,
    shape: [],
    dtype: 'bool',
  }
  const memory: Slot = { shape: [Math.ceil(Math.max(bytes, effects ? 1 : 0) / byteWidth.uint32)], dtype: 'uint32' }
  for (const { shape, dtype } of [...outs, memory]) parts.push({ kind: 'part', of: () => node, index: parts.length, shape, dtype })
  if (effects) lowering.effects.push(parts.at(-1)!)
  return parts.slice(0, -1)
}

/** Copies arrays. */
export const copies = (slots: readonly Slot[], lowering: Lowering): Program => {
  const inputs = slots.map(({ shape, dtype }) => ({ kind: 'var', aval: { shape, dtype, weak: false } }) as const)
  return lowering.program({ inputs, eqns: [], outs: inputs }, inputNodes(slots), () => [])
}

/** Places for arrays, one behind the other, and where the last ends. */
export const laidOut = (
  arrays: readonly Pick<Buffer, 'dtype' | 'size'>[],
): { readonly offsets: readonly number[]; readonly end: number } => {
  let end = 0
  const offsets = arrays.map(({ dtype, size }) => {
    const at = end
    end += (size * byteWidth[dtype] + 31) & ~15 // with 16 bytes behind, as the memory plan has it
    return at
  })
  return { offsets, end }
}

/** A loop's body, which writes the next carry where the present one is: at once where nobody reads that any more, else into memory of its own first. */
export interface Body {
  /** Of the memory. */
  readonly bytes: number
  readonly effects: boolean
  /** `inputs` and `rest`: the buffers of its operands, and of its results behind the carry; `at`: where its part of the memory begins. */
  readonly steps: (frame: Frame, inputs: readonly number[], carry: readonly number[], rest: readonly number[], at: number) => Step[]
}
export const loopBody = (jaxpr: Jaxpr, inputs: readonly Node[], firstCarry: number, numCarry: number, lowering: Lowering): Body => {
  const program = lowering.program(jaxpr, inputs, (result) => (result < numCarry ? [firstCarry + result] : []))
  const carries = program.outputs.slice(0, numCarry).map((id) => program.buffers[id]!)
  const apart = carries.map((_, i) => i).filter((i) => carries[i]!.place.kind === 'output')
  const { offsets, end } = laidOut(apart.map((i) => carries[i]!))
  const back = copies(
    slotsOf(jaxpr.outs).filter((_, i) => apart.includes(i)),
    lowering,
  )
  return {
    bytes: end + program.arenaBytes,
    effects: program.effects,
    steps: (frame, own, carry, rest, at) => {
      const temporary = offsets.map((offset, k) => frame.own(at + offset, carries[apart[k]!]!))
      const next = carry.map((id, i) => temporary[apart.indexOf(i)] ?? id)
      const targets = apart.map((i) => carry[i]!)
      return [...frame.embed(program, own, [...next, ...rest], at + end), ...frame.embed(back, temporary, targets, at + end)]
    },
  }
}
