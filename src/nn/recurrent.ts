/**
 * Recurrent layers as PyTorch's RNN, LSTM and GRU: batch first, several layers, one direction or both. What comes from the inputs is one
 * contraction for all steps; only the hidden state's part is in the scan. Inside it is float32; results are rounded once.
 */
import { NdArray } from '../core/array.ts'
import * as c from '../core/constructors.ts'
import { computedIn, type DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { array, list, needed, oneOf, type OptionKind, optionsOf, record, type Schema } from '../core/options.ts'
import { scan } from '../lax/loops.ts'
import { composedOptions, refuse } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { asFloat, asIndex, promoteTypes } from '../numpy/promote.ts'
import { relu } from './activations.ts'
import { drop, type Dropped, droppedKind, part } from './dropped.ts'
import { extentsOf, type Linear, linearDtype, linearKind, linearOf, type LinearParams, wideLinear } from './linear.ts'

/** Of the inputs and of the hidden state, the gates one after another: [G·H,I] and [G·H,H] as PyTorch's `weight`s. */
export interface RecurrentDirection {
  readonly ih: LinearParams
  readonly hh: LinearParams
}
export interface RecurrentLayer {
  readonly forward: RecurrentDirection
  /** From the last step to the first; all layers have it, or none. */
  readonly backward?: RecurrentDirection
}
export interface RecurrentParams {
  readonly layers: readonly RecurrentLayer[]
}
const direction: OptionKind<RecurrentDirection> = record<RecurrentDirection>({ ih: needed(linearKind), hh: needed(linearKind) })
export const recurrentParams: Schema<RecurrentParams> = {
  layers: needed(list(record<RecurrentLayer>({ forward: needed(direction), backward: direction }))),
}

export interface RecurrentOptions {
  /** int [B]: how many steps each row has. Beyond them outputs are 0, the state is that of the last one, and backward begins there. */
  readonly lengths?: NdArray
  /** Between layers. */
  readonly dropout?: Dropped
}
const recurrentOptions: Schema<RecurrentOptions> = { lengths: array, dropout: droppedKind }
export interface Recurrent<S> {
  /** [B,T,H], of both directions [B,T,2H]: the last layer's. */
  readonly output: NdArray
  /** After the last step; each layer's directions side by side: [layers · directions, B, H]. */
  readonly state: S
}

/** [B,H], or two of them. */
type State = readonly NdArray[]
interface Cell {
  readonly gates: number
  /** From the inputs' part and the state's, both [B,G·H]. The first of a state is what is put out. */
  readonly next: (ih: NdArray, hh: NdArray, state: State) => State
}
/** The gates of [B,G·H], each [B,H]. */
const split = (x: NdArray, gates: number): readonly NdArray[] => {
  const [B, width] = x.shape as readonly [number, number]
  const H = width / gates
  return c.range(gates).map((i) => c.slice(x, [0, i * H], [B, (i + 1) * H]))
}
const simple = (f: (x: NdArray) => NdArray): Cell => ({ gates: 1, next: (ih, hh) => [f(c.add(ih, hh))] })
const longShort: Cell = {
  gates: 4,
  next: (ih, hh, [, was]) => {
    const [i, f, g, o] = split(c.add(ih, hh), 4) as [NdArray, NdArray, NdArray, NdArray]
    const cell = c.add(c.mul(c.logistic(f), was!), c.mul(c.logistic(i), np.tanh(g)))
    return [c.mul(c.logistic(o), np.tanh(cell)), cell]
  },
}
const gated: Cell = {
  gates: 3,
  next: (ih, hh, [h]) => {
    const [[r, z, n], [hr, hz, hn]] = [split(ih, 3), split(hh, 3)] as [NdArray[], NdArray[]]
    const fresh = np.tanh(c.add(n!, c.mul(c.logistic(c.add(r!, hr!)), hn!)))
    return [c.add(fresh, c.mul(c.logistic(c.add(z!, hz!)), c.sub(h!, fresh)))]
  },
}

interface Weights {
  readonly at: string
  readonly ih: Linear
  readonly hh: Linear
}
/** Every layer's directions, of one width H and one count. */
const weightsOf = (
  what: string,
  cell: Cell,
  p: RecurrentParams,
): { readonly layers: readonly (readonly Weights[])[]; readonly H: number } => {
  const { layers } = optionsOf(what, recurrentParams, p, 'parameter')
  if (layers.length === 0) throw new ShapeError(`${what}: layers is empty: at least one is needed`)
  const looked = layers.map(({ forward, backward }, i) =>
    Object.entries({ forward, ...(backward && { backward }) }).map(([name, { ih, hh }]): Weights => {
      const at = `layers[${i}].${name}`
      return { at, ih: linearOf(`${what}: ${at}.ih`, ih), hh: linearOf(`${what}: ${at}.hh`, hh) }
    }),
  )
  const H = extentsOf(looked[0]![0]!.hh)?.[0] ?? 0
  for (const { at, ih, hh } of looked.flat())
    for (const [name, own, into] of [
      ['ih', ih, null],
      ['hh', hh, H],
    ] as const) {
      // prettier-ignore
      const [I, O] = extentsOf(own) ?? [null, null]
      const fits = O === cell.gates * H && (into === null || I === into) && (own.bias === undefined || own.bias.shape.join() === `${O}`)
      if (!fits)
        refuse(ShapeError, what, [own.matrix, ...(own.bias === undefined ? [] : [own.bias])], `${at}.${name} doesn't make ${cell.gates} gates of the width ${H}`) // prettier-ignore
    }
  const odd = looked.findIndex((own) => own.length !== looked[0]!.length)
  if (odd >= 0) throw new ShapeError(`${what}: layers[${odd}] and layers[0] haven't the same directions`)
  return { layers: looked, H }
}

/** One direction of one layer: [B,T,I] -> [B,T,H] and the last state. `there`, a bool [T,B], is where rows have steps. */
const run = (
  what: string,
  cell: Cell,
  { ih, hh }: Weights,
  x: NdArray,
  start: State,
  there: NdArray | null,
  reverse: boolean,
): readonly [output: NdArray, last: State] => {
  const { dtype } = start[0]!
  const inputs = c.moveAxis(c.convertElementType(wideLinear(what, ih, x), dtype), 1, 0) // [T,B,G·H]
  const hidden = hh.matrix instanceof NdArray ? { ...hh, matrix: c.convertElementType(hh.matrix, dtype) } : hh
  const step = (state: State, [input, on]: readonly [NdArray, NdArray | null]): readonly [State, NdArray] => {
    const next = cell.next(input, wideLinear(what, hidden, state[0]!), state)
    if (on === null) return [next, next[0]!]
    const held = c.broadcastInDim(on, next[0]!.shape, [0])
    return [next.map((z, i) => c.select(held, z, state[i]!)), np.where(held, next[0]!, 0)]
  }
  const [last, outputs] = scan(step, start, [inputs, there] as const, { reverse })
  return [c.moveAxis(outputs, 0, 1), last]
}

/** All layers. `start` has an array [layers · directions, B, H] for each part of the state, of which there are as many as `parts`. */
const recurrent = (
  what: string,
  cell: Cell,
  parts: number,
  p: RecurrentParams,
  input: NdArray,
  { lengths, dropout }: RecurrentOptions,
  given: readonly NdArray[] | undefined,
): Recurrent<readonly NdArray[]> => {
  const { layers, H } = weightsOf(what, cell, p)
  const x = asFloat(what, input)
  if (x.ndim !== 3) refuse(ShapeError, what, [x], 'the input is [B,T,I]')
  const [B, T] = x.shape as readonly [number, number]
  const directions = layers[0]!.length
  const shape = [layers.length * directions, B, H]
  const states = given?.map((s) => asFloat(what, s))
  for (const s of states ?? [])
    if (s.shape.join() !== shape.join())
      refuse(ShapeError, what, [x, s], `the state is [layers · directions, B, H], [${shape.join()}] here`)
  const to =
    [...layers.flat().flatMap(({ ih, hh }) => [ih, hh]).map((own) => linearDtype(what, own, x)), ...(states ?? []).map((s) => s.dtype)] // prettier-ignore
      .reduce<DType>((a, b) => promoteTypes(a, b).dtype, x.dtype)
  const wide = computedIn(to)
  const start = states?.map((s) => c.convertElementType(s, wide)) ?? c.range(parts).map(() => c.full(shape, 0, wide))
  const there = lengths === undefined ? null : before(what, lengths, T, B)

  let h = x
  const ends: State[] = []
  layers.forEach((own, i) => {
    const outs = own.map((weights, d) => {
      const place = i * directions + d
      if (extentsOf(weights.ih)![0] !== h.shape[2]) refuse(ShapeError, what, [x, weights.ih.matrix], `${weights.at}.ih gets ${h.shape[2]} features`) // prettier-ignore
      const from = start.map((s) => c.reshape(c.slice(s, [place, 0, 0], [place + 1, B, H]), [B, H]))
      const [output, last] = run(what, cell, weights, h, from, there, d === 1)
      ends.push(last)
      return output
    })
    h = outs.length === 1 ? outs[0]! : c.concatenate(outs, 2)
    if (i < layers.length - 1) h = drop(h, part(dropout, i))
  })
  const state = c.range(parts).map((k) => np.stack(ends.map((end) => end[k]!)))
  return { output: c.convertElementType(h, to), state: state.map((s) => c.convertElementType(s, to)) }
}
/** Where step t is before a row's end: bool [T,B]. */
const before = (what: string, lengths: NdArray, T: number, B: number): NdArray => {
  const n = asIndex(what, lengths)
  if (n.shape.join() !== `${B}`) refuse(ShapeError, what, [n], `a length for each of ${B} rows is needed`)
  return c.lt(c.iota([T, B], 'int32', 0), c.broadcastInDim(n, [T, B], [1]))
}

export interface RnnOptions extends RecurrentOptions {
  /** [layers · directions, B, H] before the first step; default zeros. */
  readonly state?: NdArray
  /** Default tanh. */
  readonly nonlinearity?: 'tanh' | 'relu'
}
const rnnOptions: Schema<RnnOptions> = { state: array, nonlinearity: oneOf('tanh', 'relu'), ...recurrentOptions }
/**
 * h ← tanh(W x + b + U h + d) over the steps of every row, layer upon layer: [B,T,I] -> output [B,T,H · directions] and state
 * [layers · directions, B, H]. Elman 1990; as `torch.nn.RNN` with batch_first.
 *
 * @example nn.rnn(nn.initRnn(random.key(0), { input: 3, hidden: 4, layers: 2 }), np.ones([2, 5, 3])).output.shape // [2, 5, 4]
 * @throws ShapeError when the input isn't [B,T,I], or the parameters, the state or the lengths don't fit
 */
export const rnn = /* @__PURE__ */ composedOptions(
  'nn.rnn',
  3,
  rnnOptions,
  (p: RecurrentParams, x: NdArray, { state, nonlinearity = 'tanh', ...options }: RnnOptions = {}): Recurrent<NdArray> => {
    const cell = simple(nonlinearity === 'tanh' ? np.tanh : relu)
    const { output, state: ends } = recurrent('nn.rnn', cell, 1, p, x, options, state && [state])
    return { output, state: ends[0]! }
  },
)

export interface GruOptions extends RecurrentOptions {
  /** [layers · directions, B, H] before the first step; default zeros. */
  readonly state?: NdArray
}
const gruOptions: Schema<GruOptions> = { state: array, ...recurrentOptions }
/**
 * Gated recurrent units, the gates r, z, n in order, the reset after the product: [B,T,I] -> output [B,T,H · directions] and state
 * [layers · directions, B, H]. Cho et al. 2014; as `torch.nn.GRU` with batch_first.
 *
 * @example nn.gru(nn.initGru(random.key(0), { input: 3, hidden: 4, bidirectional: true }), np.ones([2, 5, 3])).state.shape // [2, 2, 4]
 * @throws ShapeError when the input isn't [B,T,I], or the parameters, the state or the lengths don't fit
 */
export const gru = /* @__PURE__ */ composedOptions(
  'nn.gru',
  3,
  gruOptions,
  (p: RecurrentParams, x: NdArray, { state, ...options }: GruOptions = {}): Recurrent<NdArray> => {
    const { output, state: ends } = recurrent('nn.gru', gated, 1, p, x, options, state && [state])
    return { output, state: ends[0]! }
  },
)

export interface LstmState {
  readonly h: NdArray // [layers · directions, B, H]
  readonly c: NdArray // [layers · directions, B, H]
}
export interface LstmOptions extends RecurrentOptions {
  /** Before the first step; default zeros. */
  readonly state?: LstmState
}
const lstmOptions: Schema<LstmOptions> = { state: record<LstmState>({ h: needed(array), c: needed(array) }), ...recurrentOptions }
/**
 * Long short-term memory, the gates i, f, g, o in order: [B,T,I] -> output [B,T,H · directions] and state { h, c }, each
 * [layers · directions, B, H]. Hochreiter and Schmidhuber 1997; as `torch.nn.LSTM` with batch_first.
 *
 * @example nn.lstm(nn.initLstm(random.key(0), { input: 3, hidden: 4 }), np.ones([2, 5, 3])).state.c.shape // [1, 2, 4]
 * @throws ShapeError when the input isn't [B,T,I], or the parameters, the state or the lengths don't fit
 */
export const lstm = /* @__PURE__ */ composedOptions(
  'nn.lstm',
  3,
  lstmOptions,
  (p: RecurrentParams, x: NdArray, { state, ...options }: LstmOptions = {}): Recurrent<LstmState> => {
    const { output, state: ends } = recurrent('nn.lstm', longShort, 2, p, x, options, state && [state.h, state.c])
    return { output, state: { h: ends[0]!, c: ends[1]! } }
  },
)
