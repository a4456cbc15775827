/**
 * What pages download, by area. sizes.json holds the sizes that are meant: an area that grows by more than 3% is red until the number there is changed
 * on purpose (`SIZES=write npx vitest run test/structure/sizes.test.ts`).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type Metafile } from 'esbuild'
import { expect, test } from 'vitest'

/** Each with the bytes, gzipped, beyond which it is too much to ask of a page. */
const pages: Readonly<Record<string, readonly [limit: number, code: string]>> = {
  gradient: [
    110_000,
    `import { grad, jit, np } from 'cotangent'
    console.log(jit(grad((x) => np.sum(np.mul(x, x))))(np.array([1, 2, 3])).toArray())`,
  ],
  gpt: [
    140_000,
    `import { jit, lax, nn, np, optim, random, tree, valueAndGrad, vmap } from 'cotangent'
    import { gpt } from 'cotangent/models'
    console.log(gpt, jit, lax.scan, nn.dropout, np.mean, optim.adamw, random.split, tree.map, valueAndGrad, vmap)`,
  ],
}
const FILE = 'test/structure/sizes.json'
const meant = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Record<string, number>>
const GROWTH = 1.03

/** `backends/wasm`, `src/core`, `transforms`, `fp-ts`. */
const areaOf = (input: string): string => {
  const path = relative('.', resolve(input))
    .replace(/^dist\//, '')
    .replace(/^node_modules\//, '')
  const folders = path.split('/').slice(0, -1)
  return folders.slice(0, folders[0] === 'src' || folders[0] === 'backends' ? 2 : 1).join('/')
}

/** A chunk and what it imports statically: what a page loads before it runs. Devices chosen by name come on demand. */
const staticChunks = (entry: string, outputs: Metafile['outputs']): string[] => {
  const found = [entry]
  for (const path of found)
    for (const { path: next, kind } of outputs[path]!.imports) if (kind === 'import-statement' && !found.includes(next)) found.push(next)
  return found
}

/** Minified bytes of each area, and of all gzipped. */
const sizesOf = async (code: string): Promise<Record<string, number>> => {
  const outdir = mkdtempSync(join(tmpdir(), 'sizes-'))
  const contents = code.replace(/'cotangent([^']*)'/g, (_, entry: string) => JSON.stringify(resolve(`dist/src${entry}/index.js`)))
  const { metafile } = await build({
    stdin: { contents, resolveDir: '.' },
    outdir,
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    metafile: true,
  })
  const entry = Object.keys(metafile.outputs).find((path) => path.endsWith('stdin.js'))!
  const sizes: Record<string, number> = { gzip: 0 }
  for (const path of staticChunks(entry, metafile.outputs)) {
    sizes['gzip']! += gzipSync(readFileSync(path), { level: 9 }).length
    for (const [input, { bytesInOutput }] of Object.entries(metafile.outputs[path]!.inputs))
      if (bytesInOutput > 0 && input !== '<stdin>') sizes[areaOf(input)] = (sizes[areaOf(input)] ?? 0) + bytesInOutput
  }
  rmSync(outdir, { recursive: true })
  return Object.fromEntries(Object.entries(sizes).sort(([, a], [, b]) => b - a))
}

test.each(Object.entries(pages))('the page %s is as large as it is meant to be', async (name, [limit, code]) => {
  const sizes = await sizesOf(code)
  const rows = Object.entries(sizes).map(([area, bytes]) => `${area.padEnd(20)} ${String(bytes).padStart(7)}`)
  console.log(`${name}: bytes minified by area\n${rows.join('\n')}`)
  if (process.env['SIZES'] === 'write') writeFileSync(FILE, `${JSON.stringify({ ...meant, [name]: (meant[name] = sizes) }, null, 2)}\n`)
  const grown = Object.entries(sizes).filter(([area, bytes]) => bytes > GROWTH * (meant[name]?.[area] ?? 0))
  expect(grown, `grew by more than 3% over ${FILE}`).toEqual([])
  expect(sizes['gzip']).toBeLessThanOrEqual(limit)
})
