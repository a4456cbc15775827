// Cotangent beside transformers.js and wllama on GPT-2 small's shape in float32: each in a process of its own, on one set of drawn weights, called
// in turn. All must choose the same tokens. `npm run bench:language [-- --folder F] [--rounds N]` prints the table; `--write` puts it into
// language.md. The folder (default: of the system's temporary files) holds 1.5 GB, which are made once.
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { quantile } from './figures.js'
import { makeMeter } from './language/bandwidth.js'
import { config, makeFiles } from './language/model.js'
import { NEW_TOKENS, PROMPT } from './language/prompt.js'

const text = { type: 'string' }
const { values: flags } = parseArgs({ options: { folder: text, rounds: text, write: { type: 'boolean' } } })
const folder = flags.folder ?? join(tmpdir(), 'cotangent-language')
const rounds = Number(flags.rounds ?? 7)
const MUST_AGREE = 16

const versionOf = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version
const ort = (name) => `${name} ${versionOf(name)}`
const transformers = `transformers.js ${versionOf('@huggingface/transformers')}`
const wllama = `wllama ${versionOf('@wllama/wllama')}`
// Without flash attention: of what wllama can be told, the fastest here at decoding, and no slower at reading.
const settings = { n_gpu_layers: 0, n_ctx: 256, n_parallel: 1, flash_attn: false, cache_type_k: 'f32', cache_type_v: 'f32' }
const kinds = [
  { name: `Cotangent ${versionOf('cotangent')}`, where: 'wasm in Node', threads: 1, file: 'cotangent', options: {} },
  { name: transformers, where: `${ort('onnxruntime-web')}, wasm in Node`, threads: 1, file: 'transformers', options: { web: true } },
  { name: wllama, where: 'wasm in Chromium', threads: 1, file: 'wllama', options: { ...settings, n_threads: 1 } },
  { name: wllama, where: 'wasm in Chromium', threads: cpus().length, file: 'wllama', options: { ...settings, n_threads: cpus().length } },
  { name: transformers, where: `${ort('onnxruntime-node')}, native`, threads: 1, file: 'transformers', options: { session_options: { intraOpNumThreads: 1 } } }, // prettier-ignore
  { name: transformers, where: `${ort('onnxruntime-node')}, native`, threads: 'its default', file: 'transformers', options: {} },
]

const start = async (kind) => {
  const module = new URL(`language/peers/${kind.file}.js`, import.meta.url).href
  const child = fork(new URL('language/host.js', import.meta.url), [module, folder, JSON.stringify(kind.options)])
  const reply = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`${kind.name} (${kind.where}) ended with ${code}`)))
    })
  await reply()
  const ask = (command, more = {}) => {
    child.removeAllListeners('exit')
    const answered = reply()
    child.send({ command, ...more })
    return answered
  }
  const close = () => {
    child.removeAllListeners('exit')
    child.send({ command: 'close' })
  }
  return { ...kind, ask, close, runs: [] }
}

await makeFiles(folder)
const measure = await makeMeter()
const peers = []
for (const kind of kinds) {
  const peer = await start(kind)
  await peer.ask('generate') // warm-up
  peers.push(peer)
}
const bandwidths = []
for (let round = 0; round < rounds; round++) {
  bandwidths.push(measure(3))
  for (let i = 0; i < peers.length; i++) {
    const peer = peers[(i + round) % peers.length]
    peer.runs.push(await peer.ask('generate'))
  }
}
const expected = peers[0].runs[0].tokens
const margin = await peers[0].ask('margin', { tokens: expected })
for (const peer of peers) peer.close()

// Of the position embedding a step reads one row.
const { n_embd: D, n_layer, vocab_size } = config
const weights = 4 * (vocab_size * D + n_layer * (12 * D * D + 13 * D) + 2 * D)
const [alone, bandwidth] = [0, 1].map((way) => quantile(bandwidths.map((ways) => ways[way]), 0.5)) // prettier-ignore
const row = ({ name, where, threads, runs }) => {
  const prefill = runs.map((run) => run.prefill)
  const pace = runs.map(({ decode }) => (1000 * (NEW_TOKENS - 1)) / decode)
  const same = Math.min(...runs.map(({ tokens }) => [...tokens, null].findIndex((id, i) => id !== expected[i])))
  if (same < MUST_AGREE) throw new Error(`${name} (${where}): token ${same} is another`)
  const share = (100 * weights * quantile(pace, 0.5)) / bandwidth
  const cells = [quantile(prefill, 0), quantile(prefill, 0.5)].map((ms) => `${ms.toFixed(0)} ms`)
  const paces = [Math.max(...pace), quantile(pace, 0.5)].map((n) => n.toFixed(1))
  return [name, where, threads, ...cells, ...paces, `${share.toFixed(0)}%`, `${same} of ${NEW_TOKENS}`]
}
const line = (cells) => `| ${cells.join(' | ')} |`
const head = [
  '',
  'runs on',
  'threads',
  `${PROMPT.length} tokens read, best`,
  'median',
  'tokens/s, best',
  'median',
  'of the bandwidth',
  'same tokens',
]
const table = [line(head), line(head.map((_, i) => (i < 2 ? '---' : '---:'))), ...peers.map((peer) => line(row(peer)))].join('\n')
const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, ${process.platform} ${process.arch}, Node ${process.version}`
const about = `${new Date().toISOString().slice(0, 10)}, ${machine}; \`npm run bench:language\`, ${rounds} rounds, called in turn.`
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB/s`
const read = `One thread of WebAssembly reads ${gigabytes(bandwidth)} in two streams (${gigabytes(alone)} in one; medians; a sum over 512 MB, 16 bytes at a time); a step reads ${(weights / 1e6).toFixed(0)} MB of weights.` // prettier-ignore
const sure = `Where a token is chosen, the greatest logit exceeds the second by ${margin.toPrecision(2)} at least.`
const result = `${about}\n${read}\n${sure}\n\n${table}`
console.log(result)
if (flags.write) {
  const file = new URL('language.md', import.meta.url)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/(<!-- language -->\n)[^]*?(<!-- end -->)/, (_, begin, end) => `${begin}\n${result}\n\n${end}`),
  )
}
