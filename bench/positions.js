// Does decoding slow with the position? A Llama of 12 layers of 768 with a cache of 4,096 places for each position that is asked, filled once; then
// each is cut back to its position, in turn, and tokens are timed there. With as many heads for keys as for queries, with a fourth of them, with
// those in bfloat16, and with windows of 256, whose caches are full at both positions. `npm run positions [-- --rounds N]`.
import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { np, random } from 'cotangent'
import { fromConfig, generateTokens } from 'cotangent/models'
import { quantile } from './figures.js'

const text = { type: 'string' }
const { values: flags } = parseArgs({ options: { rounds: text, case: text } })
const rounds = Number(flags.rounds ?? 5)
const CAPACITY = 4096
const AT = [256, 4000]
const STEPS = 32
const CHUNK = 512
const [LAYERS, WIDTH, HEADS, MLP, VOCAB] = [12, 768, 12, 2048, 32000]
const ids = (n) => Array.from({ length: n }, (_, i) => (i * 7919 + 101) % VOCAB)

const cases = [
  { kvHeads: HEADS, dtype: 'float32', window: null },
  { kvHeads: HEADS / 4, dtype: 'float32', window: null },
  { kvHeads: HEADS / 4, dtype: 'bfloat16', window: null },
  { kvHeads: HEADS, dtype: 'float32', window: 256 },
]

const measure = async ({ kvHeads, dtype, window }) => {
  const model = fromConfig({
    ...{
      model_type: 'mistral',
      architectures: ['MistralForCausalLM'],
      sliding_window: window,
      vocab_size: VOCAB,
      max_position_embeddings: CAPACITY,
    },
    ...{ hidden_size: WIDTH, num_hidden_layers: LAYERS, num_attention_heads: HEADS, num_key_value_heads: kvHeads, intermediate_size: MLP },
    ...{ rms_norm_eps: 1e-5, hidden_act: 'silu', tie_word_embeddings: true },
  })
  const params = model.init(random.key(0))
  const caches = AT.map(() => model.cache(1, CAPACITY, { dtype }))
  /** Milliseconds of each token but the first, which is the prompt's. */
  const go = async (i, inputIds, maxNewTokens) => {
    const times = []
    const from = generateTokens(model, params, { inputIds, maxNewTokens, cache: caches[i] })
    for (;;) {
      const { done, value } = await from.next()
      if (done) {
        caches[i] = value.cache
        return times.slice(1).map((t, k) => t - times[k])
      }
      times.push(performance.now())
    }
  }
  // 16 positions before, 16 behind, and the prompt's own.
  const begin = (i) => AT[i] - STEPS / 2 - 1
  const lengthOf = async (i) => (await caches[i].lengths.data())[0]
  const [samples, memory] = [AT.map(() => []), AT.map(() => [])]
  for (const i of AT.keys()) {
    for (let n = await lengthOf(i); n < begin(i); n = await lengthOf(i)) await go(i, ids(Math.min(CHUNK, begin(i) - n)), 1)
    await go(i, [1], STEPS + 1) // warm-up
  }
  for (let round = 0; round < rounds; round++)
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0]) {
      // What a window has forgotten can't be cut back to: such a cache goes on.
      if (window === null) caches[i] = { ...caches[i], lengths: np.array([begin(i)], { dtype: 'int32' }) }
      samples[i].push(...(await go(i, [1], STEPS + 1)))
      memory[i].push(process.memoryUsage().rss)
    }
  const weights = 4 * (VOCAB * WIDTH + LAYERS * (2 * WIDTH ** 2 + (2 * WIDTH ** 2 * kvHeads) / HEADS + 3 * WIDTH * MLP))
  return AT.map((at, i) => ({
    ...{ at, best: quantile(samples[i], 0), median: quantile(samples[i], 0.5), memory: quantile(memory[i], 0.5) },
    /** The weights, and the keys and values of the positions so far. */
    bytes: weights + (dtype === 'float32' ? 4 : 2) * 2 * LAYERS * Math.min(at, window ?? at) * kvHeads * (WIDTH / HEADS),
  }))
}

if (flags.case !== undefined) process.send(await measure(cases[Number(flags.case)]))
else {
  console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}\n`)
  const line = (cells) => console.log(`| ${cells.join(' | ')} |`)
  const [time, bytes] = [
    ['ms a token, best', 'median', 'times the first'],
    ['MB needed', 'times the first', 'GB/s', 'process, MB'],
  ]
  line(['heads for keys', 'cache', 'window', 'position', ...time, ...bytes])
  line(Array(11).fill('---:'))
  for (const [i, { kvHeads, dtype, window }] of cases.entries()) {
    const child = fork(process.argv[1], ['--case', String(i), '--rounds', String(rounds)])
    const results = await new Promise((resolve) => child.once('message', resolve))
    for (const { at, best, median, memory, bytes } of results)
      line([
        ...[kvHeads, dtype, window ?? '-', at, best.toFixed(2), median.toFixed(2), (median / results[0].median).toFixed(3)],
        ...[(bytes / 1e6).toFixed(0), (bytes / results[0].bytes).toFixed(3), (bytes / median / 1e6).toFixed(1), (memory / 1e6).toFixed(0)],
      ])
  }
}
