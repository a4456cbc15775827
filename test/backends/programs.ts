/**
 * Random programs over vectors: launches with several segments, loops and branches within one another, in-place updates, donated
 * inputs, and an arena in which buffers whose lives don't meet share memory. All arithmetic is exact.
 */
import type { DType } from '../../src/core/dtype.ts'
import type { Expr, Nest, ScalarOp } from '../../src/core/kernel.ts'
import { type Buffer, buffersOf, type Program, type Segment, type Step } from '../../src/core/program.ts'
import type { Choices } from './choices.ts'
import { access, apply, constant, load } from './harness.ts'

interface Draft {
  readonly choices: Choices
  /** Elements of a vector. */
  readonly n: number
  readonly buffers: { dtype: DType; size: number; place: Buffer['place'] | null }[]
}

const buffer = (draft: Draft, dtype: DType, size: number, place: Buffer['place'] | null = null): number =>
  draft.buffers.push({ dtype, size, place }) - 1

/** out[i] = expr over one dim; args are `from` and then the output. */
export const map = (expr: Expr, from: readonly DType[], n: number): Nest => ({
  kind: 'nest',
  dims: [n],
  inner: 0,
  args: [...from, expr.dtype],
  outputs: [{ arg: from.length, expr, access: access([1]), rowwise: false }],
})

const launchOf = (kernel: Nest, ...segments: readonly Segment[]): Step => ({ kind: 'launch', kernel, segments })

const scalarStep = (expr: Expr, from: readonly number[], fromTypes: readonly DType[], to: number): Step =>
  launchOf(map(expr, fromTypes, 1), { buffers: [...from, to], extent: 1 })

const binary = (choices: Choices): ScalarOp => choices.pick(['add', 'sub', 'mul', 'max'] as const)

/** Steps that extend `live`, the float vectors at hand. Those in `owned` may be written in place. */
const steps = (draft: Draft, live: number[], owned: readonly number[], count: number, depth: number): Step[] => {
  const made: Step[] = []
  for (let i = 0; i < count; i++) made.push(...step(draft, live, owned, depth))
  return made
}

const step = (draft: Draft, live: number[], owned: readonly number[], depth: number): Step[] => {
  const { choices, n } = draft
  const fresh = (): number => {
    const made = buffer(draft, 'float32', n)
    live.push(made)
    return made
  }
  const two = ['float32', 'float32'] as const
  switch (choices.below(depth > 0 ? 8 : 4)) {
    case 1: {
      // Reversed: wrong if the output took over the input's memory.
      const expr = apply(binary(choices), 'float32', load('float32', 0, [-1], n - 1), load('float32', 1, [1]))
      const from = [choices.pick(live), choices.pick(live)]
      return [launchOf(map(expr, two, n), { buffers: [...from, fresh()], extent: n })]
    }
    case 2: {
      if (owned.length === 0) return []
      const at = choices.pick(owned)
      const expr = apply(
        'add',
        'float32',
        apply('mul', 'float32', load('float32', 0, [1]), constant('float32', 0.5)),
        load('float32', 1, [1]),
      )
      return [launchOf(map(expr, two, n), { buffers: [at, choices.pick(live), at], extent: n })]
    }
    case 3: {
      // One code over two sets of buffers.
      const expr = apply(binary(choices), 'float32', load('float32', 0, [1]), load('float32', 1, [0], Math.max(n - 1, 0)))
      if (n === 0) return []
      const segments = [0, 1].map(() => ({ from: [choices.pick(live), choices.pick(live)] }))
      return [launchOf(map(expr, two, n), ...segments.map(({ from }) => ({ buffers: [...from, fresh()], extent: n })))]
    }
    case 4:
      return loop(draft, live, depth)
    case 5:
    case 6:
      return branch(draft, live, depth)
    case 7:
      return repeats(draft, live, depth)
    default: {
      const expr = apply(binary(choices), 'float32', load('float32', 0, [1]), load('float32', 1, [1]))
      const from = [choices.pick(live), choices.pick(live)]
      return [launchOf(map(expr, two, n), { buffers: [...from, fresh()], extent: n })]
    }
  }
}

const copy = (draft: Draft, from: number, to: number): Step =>
  launchOf(map(load('float32', 0, [1]), ['float32'], draft.n), { buffers: [from, to], extent: draft.n })

/** for (i = 0; i < trips; i++) with one carried vector. */
const loop = (draft: Draft, live: number[], depth: number): Step[] => {
  const { choices } = draft
  const [counter, test] = [buffer(draft, 'int32', 1), buffer(draft, 'bool', 1)]
  const carry = buffer(draft, 'float32', draft.n)
  const count = load('int32', 0, [0])
  const trips = constant('int32', choices.below(4))
  const inner = [...live, carry]
  const body = steps(draft, inner, [carry], 1 + choices.below(3), depth - 1)
  const next = apply('add', 'int32', count, constant('int32', 1))
  const made: Step[] = [
    scalarStep(constant('int32', 0), [], [], counter),
    copy(draft, choices.pick(live), carry),
    {
      kind: 'loop',
      cond: [scalarStep(apply('lt', 'bool', count, trips), [counter], ['int32'], test)],
      test,
      body: [...body, copy(draft, choices.pick(inner), carry), scalarStep(next, [counter], ['int32'], counter)],
    },
  ]
  live.push(carry)
  return made
}

/** A vector a trip is written to a stack, and in another loop, of other trips around, read from it in either order. */
const repeats = (draft: Draft, live: number[], depth: number): Step[] => {
  const { choices, n } = draft
  const trips = choices.below(4)
  const row = Math.ceil(n / 4) * 4
  const stack = buffer(draft, 'float32', trips * row)
  const pass = (slice: (inner: number[], carry: number, part: number) => Step[]): Step[] => {
    const counter = buffer(draft, 'bool', 1, { kind: 'arena', offset: 0 })
    const [start, step] = choices.oneIn(2) ? [(trips - 1) * row, -row] : [0, row]
    const part = buffer(draft, 'float32', n, { kind: 'slice', of: stack, counter, start, step })
    const carry = buffer(draft, 'float32', n)
    const first = copy(draft, choices.pick(live), carry)
    const inner = [...live, carry]
    const body = steps(draft, inner, [carry], 1 + choices.below(2), depth - 1)
    const made: Step[] = [first, { kind: 'repeat', trips, counter, body: [...body, ...slice(inner, carry, part)] }]
    live.push(carry)
    return made
  }
  const sum = apply('add', 'float32', load('float32', 0, [1]), load('float32', 1, [1]))
  return [
    ...pass((inner, _, part) => [copy(draft, choices.pick(inner), part)]),
    ...pass((_, carry, part) => [launchOf(map(sum, ['float32', 'float32'], n), { buffers: [part, carry, carry], extent: n })]),
  ]
}

/** The index is a constant or computed from the first live vector, and out of range now and then. */
const branch = (draft: Draft, live: number[], depth: number): Step[] => {
  const { choices } = draft
  const [index, out] = [buffer(draft, 'int32', 1), buffer(draft, 'float32', draft.n)]
  const branches = Array.from({ length: 1 + choices.below(3) }, () => {
    const inner = [...live]
    const body = steps(draft, inner, [], choices.below(3), depth - 1)
    return [...body, copy(draft, choices.pick(inner), out)]
  })
  const made: Step[] = [scalarStep(constant('int32', choices.below(5)), [], [], index), { kind: 'branch', index, branches }]
  live.push(out)
  return made
}

/** First fit by lifetime, a loop or a branch counting as one moment. Returns the arena's bytes. */
const placeInArena = (draft: Draft, made: readonly Step[]): number => {
  const life = new Map<number, { first: number; last: number }>()
  made.forEach((step, time) => {
    for (let id of buffersOf(step)) {
      const { place } = draft.buffers[id]!
      if (place?.kind === 'slice') id = place.of
      const known = life.get(id)
      if (known === undefined) life.set(id, { first: time, last: time })
      else known.last = time
    }
  })
  const placed: { first: number; last: number; offset: number; end: number }[] = []
  draft.buffers.forEach((buffer, id) => {
    if (buffer.place !== null) return
    const { first, last } = life.get(id) ?? { first: 0, last: made.length }
    const bytes = (buffer.size * 4 + 31) & ~15 // with 16 bytes behind, as the memory plan has them
    const meeting = placed.filter((other) => other.first <= last && first <= other.last)
    const offset = [0, ...meeting.map(({ end }) => end)]
      .sort((a, b) => a - b)
      .find((at) => meeting.every((other) => at + bytes <= other.offset || at >= other.end))!
    placed.push({ first, last, offset, end: offset + bytes })
    buffer.place = { kind: 'arena', offset }
  })
  return Math.max(0, ...placed.map(({ end }) => end))
}

export const program = (choices: Choices): Program => {
  const n = choices.below(40)
  const draft: Draft = { choices, n, buffers: [] }
  const inputs = [0, 1].map((index) => buffer(draft, 'float32', n, { kind: 'input', index }))
  const live = [...inputs]
  const made = steps(draft, live, [], 1 + choices.below(8), 2)
  const outputs: number[] = []
  // The last result may take over the memory of the first input, which it reads for the last time.
  const donate = choices.oneIn(2)
  const count = 1 + choices.below(3)
  for (let i = 0; i < count; i++) {
    const take = donate && i === count - 1
    const to = buffer(draft, 'float32', n, take ? { kind: 'input', index: 0 } : { kind: 'output', index: i })
    const expr = apply('sub', 'float32', load('float32', 0, [1]), load('float32', 1, [1]))
    const from = [choices.pick(live), take ? inputs[0]! : choices.pick(live)]
    made.push(launchOf(map(expr, ['float32', 'float32'], n), { buffers: [...from, to], extent: n }))
    outputs.push(to)
  }
  const arenaBytes = placeInArena(draft, made)
  const buffers = draft.buffers.map(({ dtype, size, place }): Buffer => ({ dtype, size, place: place! }))
  return { buffers, inputs, outputs, steps: made, arenaBytes, effects: false }
}
