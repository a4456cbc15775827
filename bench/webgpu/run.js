// Cotangent beside jax-js, TensorFlow.js and onnxruntime-web on WebGPU: each in a page of its own in one Chromium on one adapter, called
// alternately. Answers are compared first; a case whose answers differ is an error. `npm run bench:webgpu [-- case…]`.
//   --browser PATH   a Chromium or Chrome with a GPU; without it, the one of npm, on SwiftShader, which tells counts and nothing about GPUs
//   --json PATH      writes the figures
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { cached } from '../../dist/examples/software/archive.js'
import { quantile, worst } from '../figures.js'
import { cases, trainSteps } from './cases.js'

const { values: flags, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { browser: { type: 'string' }, json: { type: 'string' } },
})
for (const title of chosen)
  if (!(title in cases)) throw new Error(`there is no case ${title}: choose among ${Object.keys(cases).join(', ')}`)
const titles = chosen.length > 0 ? chosen : Object.keys(cases)
const peers = ['cotangent', 'jaxjs', 'tfjs', 'ort']
const here = dirname(fileURLToPath(import.meta.url))

const bundle = async (peer) => {
  const { outputFiles } = await build({
    entryPoints: [join(here, 'peers', `${peer}.js`)],
    ...{ bundle: true, write: false, format: 'esm', platform: 'browser', target: 'es2022', logLevel: 'error' },
  })
  return outputFiles[0].text
}
const bundles = Object.fromEntries(await Promise.all(peers.map(async (peer) => [`/${peer}.js`, await bundle(peer)])))

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }
/** What a page sent last. */
let sent
const server = createServer(async (request, response) => {
  if (request.method === 'POST') {
    sent = new Float32Array(await new Response(request).arrayBuffer())
    return response.end()
  }
  const { pathname } = new URL(request.url, 'http://localhost')
  const file = /^\/ort\/[\w.-]+$/.test(pathname) ? join(here, '../node_modules/onnxruntime-web/dist', pathname.slice(5)) : null
  const body = bundles[pathname] ?? (file === null ? '<!doctype html><title>bench</title>' : readFileSync(file))
  response.writeHead(200, { 'content-type': TYPES[extname(pathname)] ?? 'text/html' }).end(body)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

const launch = () => {
  if (flags.browser !== undefined) return chromium.launch({ executablePath: flags.browser, args: ['--enable-unsafe-webgpu'] })
  const folder = cached('chromium', ['chromium', 'swiftshader', 'al2023'])
  const env = { ...process.env, LD_LIBRARY_PATH: `${join(folder, 'lib')}:${folder}` }
  const args = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan']
  return chromium.launch({ executablePath: join(folder, 'chromium'), env, args })
}
const browser = await launch()

/** A page with one of a peer's ways to do a case made; null where it has no such way. */
const open = async (peer, title, way) => {
  const page = await browser.newPage()
  page.setDefaultTimeout(0)
  await page.addInitScript({ path: join(here, 'count.js') })
  await page.goto(origin)
  const made = await page.evaluate(
    async ([peer, title, way]) => {
      const { makers } = await import(`/${peer}.js`)
      const make = [makers[title] ?? []].flat()[way]
      globalThis.made = await make?.()
      return make !== undefined
    },
    [peer, title, way],
  )
  if (made) return page
  await page.close()
  return null
}
/** The results of so many calls, one behind the other. */
const answer = async (page, calls) => {
  await page.evaluate(async (calls) => {
    const all = []
    for (let i = 0; i < calls; i++) all.push(new Float32Array(await globalThis.made.call()))
    await fetch('/', { method: 'POST', body: new Blob(all) })
  }, calls)
  return sent
}
const count = (page) =>
  page.evaluate(async () => {
    globalThis.counted()
    await globalThis.made.call()
    const counts = globalThis.counted()
    return { ...counts, bytes: (await globalThis.made.bytes?.()) ?? counts.bytes }
  })
const time = (page, calls) =>
  page.evaluate(async (calls) => {
    const milliseconds = []
    for (let i = 0; i < calls; i++) {
      const begin = performance.now()
      await globalThis.made.call()
      milliseconds.push(performance.now() - begin)
    }
    return milliseconds
  }, calls)

/** A peer's page with the first of its ways whose answers agree with `ours`; the first peer's are ours. Null where the peer has none. */
const agreeing = async (peer, title, ours) => {
  let share = null
  for (let way = 0; ; way++) {
    const page = await open(peer, title, way)
    if (page === null && share === null) return null
    if (page === null) throw new Error(`${title}: ${peer}'s answers differ by ${share.toFixed(1)} times what is allowed`)
    const values = await answer(page, title === 'train step' ? trainSteps : 1)
    share = worst(values, ours ?? values, cases[title])
    if (share <= 1) return { peer, page, values, share }
    await page.close()
  }
}

const measure = async (title) => {
  const setting = cases[title]
  const there = []
  for (const peer of peers) there.push(await agreeing(peer, title, there[0]?.values))
  const able = there.filter((one) => one !== null)
  const figures = []
  for (const { peer, page, share } of able) figures.push({ peer, share, ...(await count(page)), milliseconds: [] })
  for (let round = 0; round < setting.rounds; round++)
    for (const [i, { page }] of able.entries()) figures[i].milliseconds.push(...(await time(page, setting.calls)))
  for (const { page } of able) await page.close()
  return figures
}

const line = (cells) => `| ${cells.join(' | ')} |`
const head = ['case', 'peer', 'dispatches', 'submits', 'MB moved', 'best, ms', 'median, ms', 'best of it / of ours', 'difference / allowed']
const lines = (title, figures) =>
  figures.map(({ peer, share, dispatches, submits, bytes, copied, written, milliseconds }) => {
    const best = quantile(milliseconds, 0)
    const cells = [
      dispatches,
      submits,
      ((bytes + copied + written) / 1e6).toFixed(2),
      best.toFixed(1),
      quantile(milliseconds, 0.5).toFixed(1),
    ]
    return line([title, peer, ...cells, (best / quantile(figures[0].milliseconds, 0)).toFixed(2), share.toFixed(3)])
  })

const probe = await browser.newPage()
await probe.goto(origin)
const adapter = await probe.evaluate(async () => {
  const { vendor, architecture, description } = (await navigator.gpu.requestAdapter()).info
  return [vendor, architecture, description].filter((x) => x).join(' ')
})
await probe.close()
const about = `${new Date().toISOString().slice(0, 10)}, adapter: ${adapter}, Chromium ${browser.version()}.`
const software = /swiftshader|llvmpipe/.test(adapter)
const warning = software ? 'A software adapter: the counts and the answers tell something, the times nothing about GPUs.' : ''
const table = [line(head), line(head.map((_, i) => (i < 2 ? '---' : '---:')))]
console.log([about, warning, ...table].join('\n'))
const results = {}
for (const title of titles) {
  results[title] = await measure(title)
  table.push(...lines(title, results[title]))
  console.log(lines(title, results[title]).join('\n'))
}
await browser.close()
server.close()
if (chosen.length === 0)
  writeFileSync(new URL('results.md', import.meta.url), `# WebGPU, side by side\n\n${about}\n${warning}\n\n${table.join('\n')}\n`)
if (flags.json !== undefined) {
  mkdirSync(dirname(flags.json), { recursive: true })
  writeFileSync(flags.json, `${JSON.stringify({ about, results }, null, 2)}\n`)
}
