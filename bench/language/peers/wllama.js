// wllama in a page of headless Chromium, the one of npm: cross-origin isolated, so that it may have threads; no GPU.
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { cached } from '../../../dist/examples/software/archive.js'
import { idsOf, textOf } from '../gguf.js'

const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' }
const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
const serve = async (folder) => {
  const library = fileURLToPath(new URL('.', import.meta.resolve('@wllama/wllama')))
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const headers = { ...isolated, 'content-type': TYPES[extname(pathname)] ?? 'application/octet-stream' }
    if (pathname === '/')
      return response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end('<!doctype html><title>bench</title>')
    const file = pathname === '/model.gguf' ? join(folder, 'model.gguf') : join(library, pathname.slice('/wllama/'.length))
    const known = statSync(file, { throwIfNoEntry: false })
    if (known === undefined) return response.writeHead(404).end()
    response.writeHead(200, { ...headers, 'content-length': known.size })
    createReadStream(file).pipe(response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

export const open = async (folder, settings) => {
  const server = await serve(folder)
  const at = cached('chromium', ['chromium', 'swiftshader', 'al2023'])
  const env = { ...process.env, LD_LIBRARY_PATH: `${join(at, 'lib')}:${at}` }
  const browser = await chromium.launch({ executablePath: join(at, 'chromium'), env, args: ['--no-sandbox'] })
  const page = await browser.newPage()
  page.setDefaultTimeout(0)
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  const threads = await page.evaluate(async (settings) => {
    const { Wllama, LoggerWithoutDebug } = await import('/wllama/index.js')
    const wllama = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { logger: LoggerWithoutDebug })
    const blob = await (await fetch('/model.gguf')).blob()
    await wllama.loadModel([blob], settings)
    globalThis.wllama = wllama
    return wllama.getNumThreads()
  }, settings)
  if (threads !== settings.n_threads) throw new Error(`wllama has ${threads} threads`)
  // Its own clock is asked: how long the prompt took, and from its end to the last token.
  const generate = async (inputIds, maxNewTokens, told) => {
    const { timings, choices } = await page.evaluate(
      ([prompt, max_tokens]) =>
        globalThis.wllama.createCompletion({ prompt, max_tokens, n_predict: max_tokens, temperature: 0, samplers: ['top_k'], top_k: 1, ignore_eos: true, cache_prompt: false }), // prettier-ignore
      [textOf(inputIds), maxNewTokens],
    )
    if (timings.prompt_n !== inputIds.length) throw new Error(`wllama read ${timings.prompt_n} tokens: ${JSON.stringify(timings)}`)
    for (const id of idsOf(choices[0].text)) told(id)
    return { prefill: timings.prompt_ms, decode: timings.predicted_ms }
  }
  const close = async () => {
    await browser.close()
    server.close()
  }
  return { generate, close }
}
