// Does decoding slow with the position? A Llama of 12 layers of 768 with one cache of 4,096 places, filled once; then the cache is cut back to one
// position and to the other, in turn, and tokens are timed there. With as many heads for keys as for queries, and with a fourth of them.
// `npm run positions [-- --rounds N]`.
import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { np, random } from 'cotangent'
import { fromConfig, generateTokens } from 'cotangent/models'
import { quantile } from './figures.js'

const text = { type: 'string' }
const { values: flags } = parseArgs({ options: { rounds: text, 'kv-heads': text } })
const rounds = Number(flags.rounds ?? 5)
const CAPACITY = 4096
const AT = [256, 4000]
const STEPS = 32
const CHUNK = 512
const [LAYERS, WIDTH, HEADS, MLP, VOCAB] = [12, 768, 12, 2048, 32000]
const ids = (n) => Array.from({ length: n }, (_, i) => (i * 7919 + 101) % VOCAB)

const measure = async (kvHeads) => {
  const model = fromConfig({
    ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: VOCAB, max_position_embeddings: CAPACITY },
    ...{ hidden_size: WIDTH, num_hidden_layers: LAYERS, num_attention_heads: HEADS, num_key_value_heads: kvHeads, intermediate_size: MLP },
    ...{ rms_norm_eps: 1e-5, hidden_act: 'silu', tie_word_embeddings: true },
  })
  const params = model.init(random.key(0))
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
  // 16 positions before, 16 behind, and the prompt's own.
  const begin = (at) => at - STEPS / 2 - 1
  const [samples, memory] = [AT.map(() => []), AT.map(() => [])]
  for (const at of AT) {
    for (let n = (await cache.lengths.data())[0]; n < begin(at); n = (await cache.lengths.data())[0])
      await go(ids(Math.min(CHUNK, begin(at) - n)), 1)
    await go([1], STEPS + 1) // warm-up
  }
  for (let round = 0; round < rounds; round++)
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      cache = { ...cache, lengths: np.array([begin(AT[i])], { dtype: 'int32' }) }
      samples[i].push(...(await go([1], STEPS + 1)))
      memory[i].push(process.memoryUsage().rss)
    }
  const weights = 4 * (VOCAB * WIDTH + LAYERS * (2 * WIDTH ** 2 + (2 * WIDTH ** 2 * kvHeads) / HEADS + 3 * WIDTH * MLP))
  return AT.map((at, i) => ({
    ...{ at, best: quantile(samples[i], 0), median: quantile(samples[i], 0.5), memory: quantile(memory[i], 0.5) },
    /** The weights, and the keys and values of the positions so far. */
    bytes: weights + 4 * 2 * LAYERS * at * kvHeads * (WIDTH / HEADS),
  }))
}

const kvHeads = flags['kv-heads']
if (kvHeads !== undefined) process.send(await measure(Number(kvHeads)))
else {
  console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}\n`)
  const line = (cells) => console.log(`| ${cells.join(' | ')} |`)
  line([
    'heads for keys',
    'position',
    'ms a token, best',
    'median',
    'times the first',
    'MB needed',
    'times the first',
    'GB/s',
    'process, MB',
  ])
  line(Array(9).fill('---:'))
  for (const n of [HEADS, HEADS / 4]) {
    const child = fork(process.argv[1], ['--kv-heads', String(n), '--rounds', String(rounds)])
    const results = await new Promise((resolve) => child.once('message', resolve))
    for (const { at, best, median, memory, bytes } of results)
      line([
        ...[n, at, best.toFixed(2), median.toFixed(2), (median / results[0].median).toFixed(3)],
        ...[(bytes / 1e6).toFixed(0), (bytes / results[0].bytes).toFixed(3), (bytes / median / 1e6).toFixed(1), (memory / 1e6).toFixed(0)],
      ])
  }
}
