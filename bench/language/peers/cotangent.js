import { jit, np } from 'cotangent'
import { load } from 'cotangent/hub/node'
import { generateTokens } from 'cotangent/models'

export const open = async (folder) => {
  const { model, params } = await load(folder)
  const generate = async (inputIds, maxNewTokens, told) => {
    for await (const [id] of generateTokens(model, params, { inputIds, maxNewTokens })) told(id)
  }
  /** By how much the greatest logit exceeds the second, at least, where each of the new tokens was chosen. */
  const margin = async (inputIds, tokens) => {
    const ids = np.array(Int32Array.from([...inputIds, ...tokens.slice(0, -1)])).reshape(1, -1)
    const { logits } = jit((p, inputIds) => model.apply(p, { inputIds }))(params, ids)
    const [, T, V] = logits.shape
    const all = await logits.data()
    let least = Infinity
    for (let t = inputIds.length - 1; t < T; t++) {
      let [first, second] = [-Infinity, -Infinity]
      for (const x of all.subarray(t * V, (t + 1) * V))
        if (x > first) [first, second] = [x, first]
        else if (x > second) second = x
      least = Math.min(least, first - second)
    }
    return least
  }
  return { generate, margin }
}
