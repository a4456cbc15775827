/** The first steps of training a model smaller than the default one, of the same kernels. Runs in Node, in Deno and in a page. */
import { initialState, keysOf, makeDraw, makeTrainStep, scheduleOf } from '../../examples/train/model.ts'
import type { Recipe } from '../../examples/train/options.ts'
import { np } from '../../src/index.ts'

const recipe: Recipe = {
  ...{ steps: 50, lr: 1e-3, dropout: 0, seed: 1337, layers: 2, heads: 2, width: 32, context: 16, batch: 4 },
  ...{ device: 'webgpu', logEvery: 1, evalEvery: 50 },
}
const VOCABULARY = 65

/** The losses of so many steps, fifty at most, on the device that is chosen. */
export const losses = async (steps: number): Promise<number[]> => {
  const keys = keysOf(recipe.seed)
  const text = np.array(Int32Array.from({ length: 5000 }, (_, i) => (Math.floor(i / 7) * 31 + (i % 7) * 5) % VOCABULARY))
  const [step, draw, rateAt] = [makeTrainStep(recipe), makeDraw(recipe), scheduleOf(recipe)]
  let { params, optimizer } = initialState(keys.weights, recipe, VOCABULARY)
  const out: number[] = []
  for (let s = 0; s < steps; s++) {
    const [tokens, targets, dropout] = draw(text, keys.batches, s)
    const [loss, , next, state] = step(params, optimizer, tokens, targets, np.array(rateAt(s)), dropout)
    ;[params, optimizer] = [next, state]
    out.push((await loss.data())[0]!)
  }
  return out
}
