/** What a block does to each position alone: two products around an activation, plain and gated. And activations by name. */
import { NdArray } from '../core/array.ts'
import { eqShape, showAval } from '../core/aval.ts'
import { ArgumentError, ShapeError } from '../core/errors.ts'
import { either, func, needed, oneOf, optionsOf, type Schema } from '../core/options.ts'
import { show } from '../core/show.ts'
import { composedOptions } from '../numpy/check.ts'
import * as np from '../numpy/index.ts'
import { gelu, leakyRelu, mish, relu, relu6, sigmoid, silu } from './activations.ts'
import { linear } from './layers.ts'
import { linearKind, type LinearParams } from './linear.ts'

export type Activation =
  | ('relu' | 'relu2' | 'relu6' | 'leakyRelu' | 'linear' | 'sigmoid' | 'tanh')
  | ('silu' | 'hardSwish' | 'mish' | 'gelu' | 'geluTanh' | 'geluClipped' | 'quickGelu')
export const activations: Readonly<Record<Activation, (x: NdArray) => NdArray>> = {
  relu,
  silu,
  gelu: (x) => gelu(x, { approximate: false }),
  geluTanh: (x) => gelu(x),
  geluClipped: (x) => np.clip(gelu(x, { approximate: false }), -10, 10),
  quickGelu: (x) => np.mul(x, sigmoid(np.mul(x, 1.702))),
  tanh: np.tanh,
  relu2: (x) => np.square(relu(x)),
  relu6,
  leakyRelu,
  hardSwish: (x) => np.mul(x, np.div(relu6(np.add(x, 3)), 6)),
  mish,
  sigmoid,
  linear: (x) => x,
}

export interface MlpOptions {
  /** By name, or a function of your own that keeps the shape; default relu, for gated ones silu. gelu is the exact one. */
  readonly activation?: Activation | ((x: NdArray) => NdArray)
}
const mlpOptions = (): Schema<MlpOptions> => ({
  activation: either(oneOf(...(Object.keys(activations) as Activation[])), func<(x: NdArray) => NdArray>()),
})
const applied = (what: string, f: NonNullable<MlpOptions['activation']>, x: NdArray): NdArray => {
  const y = (typeof f === 'function' ? f : activations[f])(x)
  if (!(y instanceof NdArray) || !eqShape(y.shape, x.shape))
    throw new ShapeError(`${what}: the activation makes ${show(y)} of ${showAval(x.aval)}: it keeps the shape`)
  return y
}

export interface MlpParams {
  readonly up: LinearParams // D -> F
  readonly down: LinearParams // F -> D
}
const mlpParams: Schema<MlpParams> = { up: needed(linearKind), down: needed(linearKind) }
/**
 * down(activation(up x)) along the last axis: [...,D] -> [...,D], F wide inside. Vaswani et al. 2017.
 *
 * @example nn.mlp({ up: { w: np.eye(2) }, down: { w: np.eye(2) } }, np.array([-1, 2])) // [0, 2]
 * @throws ArgumentError for an activation that isn't known; ShapeError when the extents differ
 */
export const mlp = /* @__PURE__ */ composedOptions(
  'nn.mlp',
  3,
  /* @__PURE__ */ mlpOptions(),
  (p: MlpParams, x: NdArray, { activation = 'relu' }: MlpOptions = {}): NdArray => {
    const { up, down } = optionsOf('nn.mlp', mlpParams, p, 'parameter')
    return linear(down, applied('nn.mlp', activation, linear(up, x)))
  },
)

/** gate and up, or both as one matrix, in this order. */
export interface GatedMlpParams {
  readonly gate?: LinearParams // D -> F
  readonly up?: LinearParams // D -> F
  readonly gateUp?: LinearParams // D -> 2F
  readonly down: LinearParams // F -> D
}
const gatedMlpParams: Schema<GatedMlpParams> = { gate: linearKind, up: linearKind, gateUp: linearKind, down: needed(linearKind) }
/**
 * down(activation(gate x) · up x) along the last axis: [...,D] -> [...,D], F wide inside. SwiGLU with silu, GeGLU with gelu or geluTanh, ReGLU with
 * relu. Shazeer 2020.
 *
 * @example nn.gatedMlp({ gate: { w: np.eye(2) }, up: { w: np.eye(2) }, down: { w: np.eye(2) } }, np.array([-1, 2]), { activation: 'relu' }) // [0, 4]
 * @throws ArgumentError for an activation that isn't known, or a gate that is missing or given twice; ShapeError when the extents differ
 */
export const gatedMlp = /* @__PURE__ */ composedOptions(
  'nn.gatedMlp',
  3,
  /* @__PURE__ */ mlpOptions(),
  (p: GatedMlpParams, x: NdArray, { activation = 'silu' }: MlpOptions = {}): NdArray => {
    const what = 'nn.gatedMlp'
    const { gate, up, gateUp, down } = optionsOf(what, gatedMlpParams, p, 'parameter')
    const pair =
      gateUp !== undefined && gate === undefined && up === undefined
        ? np.split(linear(gateUp, x), 2, -1)
        : gateUp === undefined && gate !== undefined && up !== undefined
          ? [linear(gate, x), linear(up, x)]
          : refused()
    const [opened, value] = pair as [NdArray, NdArray]
    if (!eqShape(opened.shape, value.shape))
      throw new ShapeError(`${what}: the gate gives ${showAval(opened.aval)} and up ${showAval(value.aval)}: they are of one width`)
    return linear(down, np.mul(applied(what, activation, opened), value)) // [...,F] inside
  },
)
const refused = (): never => {
  throw new ArgumentError('nn.gatedMlp: give { gate, up, down }, or { gateUp, down } where the two are one matrix')
}
