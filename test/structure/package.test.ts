import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'

const run = (command: string, args: readonly string[], cwd: string): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const gradient = 'console.log(JSON.stringify(jit(grad((x) => np.sum(np.mul(x, x))))(np.array([1, 2, 3])).toArray()))'

beforeAll(() => {
  run('npm', ['run', 'build', '--silent'], '.')
})

test('the packed tarball installs in an empty folder and computes a gradient in plain Node', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pack-'))
  const name = run('npm', ['pack', '--silent', '--pack-destination', folder], '.').trim().split('\n').at(-1)!
  mkdirSync(join(folder, 'user'))
  writeFileSync(join(folder, 'user/package.json'), '{"type":"module"}')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `../${name}`], join(folder, 'user'))
  writeFileSync(join(folder, 'user/a.js'), `import { grad, jit, np } from 'cotangent'\n${gradient}\n`)
  expect(run('node', ['a.js'], join(folder, 'user')).trim()).toBe('[2,4,6]')
  rmSync(folder, { recursive: true })
})

test('grad, jit, np and the devices bundle, and the bundle computes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'))
  const entry = `import { grad, jit, np } from ${JSON.stringify(resolve('dist/src/index.js'))}\n${gradient}\n`
  const out = await build({
    stdin: { contents: entry, resolveDir: '.' },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    platform: 'browser',
  })
  const code = out.outputFiles[0]!.contents
  writeFileSync(join(folder, 'bundle.mjs'), code)
  expect(run('node', ['bundle.mjs'], folder).trim()).toBe('[2,4,6]')
  const size = gzipSync(code).length
  console.log(`bundle: ${size} bytes gzip`)
  expect(size).toBeLessThanOrEqual(80_000) // the budget is 60 kB and isn't met yet: see docs/plan.md
  rmSync(folder, { recursive: true })
})
