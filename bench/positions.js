// Does decoding slow with the position? A Llama of 12 layers of 768 with one cache of 4,096 places, filled once; then the cache is cut back to one
// position and to the other, in turn, and tokens are timed there. `npm run positions [-- --rounds N]`.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { np, random } from 'cotangent'
import { fromConfig, generateTokens } from 'cotangent/models'
import { quantile } from './figures.js'

const { values: flags } = parseArgs({ options: { rounds: { type: 'string' } } })
const rounds = Number(flags.rounds ?? 5)
const CAPACITY = 4096
const AT = [256, 4000]
const STEPS = 32

const model = fromConfig({
  ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: 32000, max_position_embeddings: CAPACITY },
  ...{ hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, num_key_value_heads: 12, intermediate_size: 2048 },
  ...{ rms_norm_eps: 1e-5, hidden_act: 'silu', tie_word_embeddings: true },
})
const params = model.init(random.key(0))
const ids = (n) => Array.from({ length: n }, (_, i) => (i * 7919 + 101) % 32000)
let cache = model.cache(1, CAPACITY)
/** Milliseconds of each token but the first, which is the prompt's. */
const go = async (inputIds, maxNewTokens) => {
  const times = []
  const from = generateTokens(model, params, { inputIds, maxNewTokens, cache })
  for (;;) {
    const { done, value } = await from.next()
    if (done) {
      cache = value.cache
      return times.slice(1).map((t, i) => t - times[i])
    }
    times.push(performance.now())
  }
}
const rss = () => process.memoryUsage().rss / 1e6
const cut = (length) => (cache = { ...cache, lengths: np.array([length], { dtype: 'int32' }) })

const CHUNK = 512
let memory = []
// 16 positions before, 16 behind, of which one is the prompt's.
const begin = (at) => at - STEPS / 2 - 1
const filled = async (length) => {
  for (let at = (await cache.lengths.data())[0]; at < length; at += CHUNK) await go(ids(Math.min(CHUNK, length - at)), 1)
}
const samples = AT.map(() => [])
for (const [i, at] of AT.entries()) {
  await filled(begin(at))
  await go([1], STEPS + 1) // warm-up
  memory[i] = rss()
}
for (let round = 0; round < rounds; round++)
  for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
    cut(begin(AT[i]))
    samples[i].push(...(await go([1], STEPS + 1)))
  }
const [first, last] = samples.map((ms) => ({ best: quantile(ms, 0), median: quantile(ms, 0.5) }))
console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}`)
for (const [i, { best, median }] of [first, last].entries())
  console.log(
    `around position ${AT[i]}: ${median.toFixed(2)} ms a token (median; best ${best.toFixed(2)}), the process held ${memory[i].toFixed(0)} MB`,
  )
console.log(`${(last.median / first.median).toFixed(3)} times as long`)
