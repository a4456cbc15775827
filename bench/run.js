// Cotangent beside jax-js: each in a process of its own under the same Node, one thread, called alternately. Answers are compared first;
// a case whose answers differ isn't timed. `npm run bench [-- case…]` prints the table and writes results.md.
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { cases } from './cases.js'
import { quantile, worst } from './figures.js'

const start = async (file) => {
  const child = fork(new URL('host.js', import.meta.url), [new URL(file, import.meta.url).href], { serialization: 'advanced' })
  const reply = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)))
    })
  const hello = await reply()
  const ask = (message) => {
    child.removeAllListeners('exit')
    const answered = reply()
    child.send(message)
    return answered
  }
  return { ...hello, ask, stop: () => child.disconnect() }
}

const measure = async (title, peers) => {
  const setting = cases[title]
  const firsts = setting.first ? [await peers[0].ask({ command: 'first', title }), await peers[1].ask({ command: 'first', title })] : []
  const [ours, theirs] = [await peers[0].ask({ command: 'answer', title }), await peers[1].ask({ command: 'answer', title })]
  const share = worst(ours.values, theirs.values, setting)
  if (share > 1) throw new Error(`${title}: the answers differ by ${share.toFixed(1)} times what is allowed`)
  const samples = peers.map(() => [])
  for (const peer of peers) await peer.ask({ command: 'time', title, calls: setting.calls }) // warm-up
  for (let round = 0; round < setting.rounds; round++)
    for (const i of round % 2 === 0 ? [0, 1] : [1, 0])
      samples[i].push(...(await peers[i].ask({ command: 'time', title, calls: setting.calls })).milliseconds)
  const first = { title: `${title}, made and called once`, share, samples: firsts.map(({ milliseconds }) => milliseconds) }
  return [...(setting.first ? [first] : []), { title, share, samples }]
}

const show = (milliseconds) => (milliseconds < 1 ? `${(1000 * milliseconds).toFixed(1)} µs` : `${milliseconds.toFixed(2)} ms`)

const row = ({ title, share, samples: [ours, theirs] }) => {
  const [best, median] = [0, 0.5].map((q) => [quantile(ours, q), quantile(theirs, q)])
  const ratio = ([a, b]) => `${(b / a).toFixed(2)}×`
  return [title, show(best[0]), show(median[0]), show(best[1]), show(median[1]), ratio(best), ratio(median), share.toFixed(2)]
}

const table = (peers, results) => {
  const [ours, theirs] = peers.map((p) => p.name)
  const head = ['case', `${ours}, best`, 'median', `${theirs}, best`, 'median', 'best is faster by', 'median by', 'difference / allowed']
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...results.map((r) => line(row(r)))].join('\n')
}

const chosen = process.argv.slice(2)
for (const title of chosen)
  if (!(title in cases)) throw new Error(`there is no case ${title}: choose among ${Object.keys(cases).join(', ')}`)
const peers = [await start('peers/cotangent.js'), await start('peers/jaxjs.js')]
const results = []
for (const title of chosen.length > 0 ? chosen : Object.keys(cases)) {
  const measured = await measure(title, peers)
  results.push(...measured)
  for (const result of measured) console.log(row(result).join('  '))
}
for (const peer of peers) peer.stop()

const text = table(peers, results)
console.log(`\n${text}`)
if (chosen.length === 0) {
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores, ${process.platform} ${process.arch}`
  const about = `${new Date().toISOString().slice(0, 10)}, ${machine}, Node ${peers[0].node}, wasm on one thread each, called alternately.`
  writeFileSync(
    new URL('results.md', import.meta.url),
    `# Cotangent beside jax-js\n\n${about}\nA ratio above 1 means that Cotangent is faster. The step is the one of \`workload.js\`.\n\n${text}\n`,
  )
}
