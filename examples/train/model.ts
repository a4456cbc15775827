/** What is trained and how: the optimizer, the train step, the validation loss, and the inputs of a step. Pure functions, jitted. */
import { jit, type NdArray, np, optim, type OptState, random, type Schedule, tree, valueAndGrad } from '../../src/index.ts'
import { gpt } from '../../src/models/index.ts'
import type { Recipe } from './options.ts'

export type Params = gpt.GptParams
export interface State {
  /** Updates done. */
  readonly step: number
  readonly params: Params
  readonly optimizer: OptState
}
/** Gives arrays, or trees of them, back to the device now. */
export const free = (...trees: readonly unknown[]): void => {
  for (const leaf of tree.leaves(trees)) (leaf as NdArray).dispose()
}

/** A scalar argument of a jitted function, so that the caller can free it. */
const int = (n: number): NdArray => np.array(n, { dtype: 'int32' })

// Streams of randomness: what is drawn at step s is a function of the seed, the stream and s alone.
const [WEIGHTS, BATCHES, VALIDATION, WRITING] = [0, 1, 2, 3]
export interface Keys {
  readonly weights: NdArray
  readonly batches: NdArray
  readonly validation: NdArray
  readonly writing: NdArray
}
export const keysOf = (seed: number): Keys => {
  const root = random.key(seed)
  const streams = jit((key: NdArray) => ({
    weights: random.foldIn(key, WEIGHTS),
    batches: random.foldIn(key, BATCHES),
    validation: random.foldIn(key, VALIDATION),
    writing: random.foldIn(key, WRITING),
  }))(root)
  free(root)
  return streams
}

/** The learning rate at a step: up over the first hundred (a tenth of a shorter run), then half a cosine down to a tenth. */
export const scheduleOf = ({ lr, steps }: Recipe): Schedule => {
  const warmup = Math.min(100, Math.floor(steps / 10))
  return optim.warmupCosineDecay({ init: lr / (warmup + 1), peak: lr, warmup, steps, end: lr / 10 })
}

const optimizer = optim.chain(
  optim.clipByGlobalNorm(1),
  optim.adamw({ lr: 0, b1: 0.9, b2: 0.99, weightDecay: 0.1, mask: (params: Params) => tree.map((p) => p.ndim > 1, params) }), // matrices decay
)

/** Parameters drawn with the key, and the optimizer's state for them. */
export const initialState = (key: NdArray, { layers, heads, width, context }: Recipe, vocab: number): State => {
  const params = jit((k: NdArray) => gpt.init(k, { layers, heads, width, context, vocab }))(key)
  return { step: 0, params, optimizer: jit(optimizer.init)(params) }
}

/** The jitted step over (params, optimizer state, tokens, targets, learning rate, dropout key); the first two are given up to it. */
export type TrainStep = (
  params: Params,
  state: OptState,
  tokens: NdArray,
  targets: NdArray,
  lr: NdArray,
  key: NdArray,
) => readonly [loss: NdArray, gradNorm: NdArray, params: Params, state: OptState]
export const makeTrainStep = ({ heads, dropout: rate }: Recipe): TrainStep =>
  jit<Parameters<TrainStep>, ReturnType<TrainStep>>(
    (params, state, tokens, targets, lr, key) => {
      const [loss, grads] = valueAndGrad((p: Params) => gpt.loss(p, tokens, targets, { heads, dropout: { rate, key } }))(params)
      const [updates, next] = optimizer.update(grads, state, params, { lr })
      return [loss, optim.globalNorm(grads), optim.applyUpdates(params, updates), next]
    },
    { donateArgnums: [0, 1] },
  )

/** Draws the inputs of a step: [B,T] characters of the text from random places on, those that follow each, and a key for dropout. */
export type Draw = (text: NdArray, key: NdArray, step: number) => readonly [tokens: NdArray, targets: NdArray, dropout: NdArray]
export const makeDraw = ({ batch, context }: Recipe): Draw => {
  const draw = jit((text: NdArray, key: NdArray, step: NdArray): ReturnType<Draw> => {
    const here = random.foldIn(key, step)
    const starts = random.randint(random.foldIn(here, 0), [batch, 1], 0, text.size - context) // [B,1]
    const places = np.add(starts, np.arange(context)) // [B,T]
    return [np.take(text, places), np.take(text, np.add(places, 1)), random.foldIn(here, 1)]
  })
  return (text, key, step) => {
    const at = int(step)
    const drawn = draw(text, key, at)
    free(at)
    return drawn
  }
}

/** The loss of a batch, without dropout. */
export const makeLoss = ({ heads }: Recipe): ((params: Params, tokens: NdArray, targets: NdArray) => NdArray) =>
  jit((params: Params, tokens: NdArray, targets: NdArray) => gpt.loss(params, tokens, targets, { heads }))

/** Draws the character that follows the first n of a window: (params, [1,T], n, key, how many were drawn before) -> a token. */
export type Next = (params: Params, window: Int32Array, n: number, key: NdArray, drawn: number) => Promise<number>
export const makeNext = ({ heads }: Recipe, temperature: number): Next => {
  const next = jit((params: Params, window: NdArray, last: NdArray, key: NdArray, drawn: NdArray): NdArray => {
    const logits = gpt.apply(params, window, { heads }) // [1,T,V]
    const here = np.take(logits, last, { axis: 1 }) // [1,V]
    return random.categorical(random.foldIn(key, drawn), np.div(here, temperature)) // [1]
  })
  return async (params, window, n, key, drawn) => {
    const args = [np.array(window, { shape: [1, window.length] }), int(n - 1), int(drawn)] as const
    const token = next(params, args[0], args[1], key, args[2])
    const [value] = await token.data()
    free(args, token)
    return value!
  }
}
