/** Every entry of the package works alone: the first example of its docstring, in a fresh process, as it is and as three bundlers make it. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { build, transformSync } from 'esbuild'
import { rollup, type RollupCache } from 'rollup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import webpack from 'webpack'

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly exports: Readonly<Record<string, unknown>> }
const entries = Object.entries(exports).flatMap(([path, target]) => (typeof target === 'object' ? [path.slice(2) || 'index'] : []))
const sourceOf = (entry: string): string => {
  const { default: file } = exports[entry === 'index' ? '.' : `./${entry}`] as { readonly default: string }
  return file.replace('./dist/', '').replace(/js$/, 'ts')
}

/** The example that an entry's file begins with, as a module that prints what it gives and what it says it gives. */
const program = (entry: string): string => {
  const doc = /^\/\*\*([^]*?)\*\//.exec(readFileSync(sourceOf(entry), 'utf8'))![1]!.replace(/\n \* ?/g, '\n')
  const [, code, value] = /@example\n([^]*) \/\/ (.*)\n/.exec(doc)!
  const at = code!.lastIndexOf('\n')
  const text = `${code!.slice(0, at)}\nconsole.log(JSON.stringify([${code!.slice(at)}, ${value}]))\n`
  return transformSync(text, { loader: 'ts', target: 'es2022' }).code
}

const root = mkdtempSync(join(tmpdir(), 'entries-'))
const file = (entry: string): string => `${entry.replace('/', '-')}.js`
const inputs = Object.fromEntries(entries.map((entry) => [entry.replace('/', '-'), join(root, 'plain', file(entry))]))

beforeAll(() => {
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  for (const folder of ['node_modules', 'plain']) mkdirSync(join(root, folder))
  symlinkSync(resolve('.'), join(root, 'node_modules/cotangent'))
  symlinkSync(resolve('node_modules/fast-check'), join(root, 'node_modules/fast-check'))
  for (const entry of entries) writeFileSync(join(root, 'plain', file(entry)), program(entry))
})
afterAll(() => rmSync(root, { recursive: true }))

/** Bundles of all entries into a folder: together, with what they share in chunks, or each by itself. */
const bundlers: Readonly<Record<string, (folder: string, split: boolean) => Promise<unknown>>> = {
  plain: async () => undefined,
  esbuild: (outdir, splitting) =>
    build({ entryPoints: inputs, outdir, splitting, bundle: true, minify: true, format: 'esm', platform: 'node', logLevel: 'silent' }),
  rollup: async (dir, split) => {
    const plugins = [nodeResolve({ exportConditions: ['module'] })]
    let cache: RollupCache | undefined
    for (const input of split ? [inputs] : Object.entries(inputs).map(([name, path]) => ({ [name]: path }))) {
      const bundle = await rollup({
        input,
        plugins,
        ...(cache === undefined ? {} : { cache }),
        external: [/^node:/, 'fast-check'],
        logLevel: 'silent',
      })
      cache = bundle.cache
      await bundle.write({ dir, format: 'esm', ...(split ? {} : { inlineDynamicImports: true }) })
    }
  },
  webpack: async (path, split) => {
    const compiler = webpack({
      entry: inputs,
      output: { path, filename: '[name].js', module: true, chunkFormat: 'module' },
      experiments: { outputModule: true },
      // esbuild minifies; here it would take most of the time.
      optimization: { minimize: false, ...(split ? { splitChunks: { chunks: 'all' } } : {}) },
      target: 'node20',
      mode: 'production',
    })
    const stats = await promisify(compiler.run.bind(compiler))()
    expect(stats!.toJson({ all: false, errors: true }).errors).toEqual([])
  },
}

/** What a module prints, in a process of its own; where it fails, the end of what it says. */
const printed = async (path: string): Promise<string> =>
  promisify(execFile)(process.execPath, [path], { cwd: root }).then(
    ({ stdout }) => stdout,
    (error: { readonly stderr: string }) => JSON.stringify([`${path} failed: ${error.stderr.slice(-1000)}`, '']),
  )

describe.each(Object.keys(bundlers))('%s', (name) => {
  test.each(name === 'plain' ? [false] : [true, false])('split: %s', async (split) => {
    const folder = name === 'plain' ? join(root, name) : join(root, `${name}-${split}`)
    await bundlers[name]!(folder, split)
    for (const entry of entries) {
      const [got, wanted] = JSON.parse(await printed(join(folder, file(entry)))) as [unknown, unknown]
      expect(got, entry).toEqual(wanted)
    }
  })
})
