import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { transformSync } from 'esbuild'
import { expect, test } from 'vitest'

const run = (command: string, args: readonly string[], cwd: string): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const gradient = 'console.log(JSON.stringify(jit(grad((x) => np.sum(np.mul(x, x))))(np.array([1, 2, 3])).toArray()))'

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, unknown>>
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest

test('the packed tarball installs in an empty folder: entries load in plain Node, types hold by themselves, the README is true', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pack-'))
  const name = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], '.').trim().split('\n').at(-1)!
  mkdirSync(join(folder, 'user'))
  writeFileSync(join(folder, 'user/package.json'), '{"type":"module"}')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `../${name}`], join(folder, 'user'))
  writeFileSync(join(folder, 'user/a.js'), `import { grad, jit, np } from 'cotangent'\n${gradient}\n`)
  expect(run('node', ['a.js'], join(folder, 'user')).trim()).toBe('[2,4,6]')
  // The package webgpu is optional, and absent here: asking for that device says so.
  writeFileSync(
    join(folder, 'user/d.js'),
    `import { init, np } from 'cotangent'\nconst why = await init({ device: 'webgpu' }).catch((e) => e.name + e.message)\nconsole.log(why, np.ones([2]).toArray())\n`,
  )
  expect(run('node', ['d.js'], join(folder, 'user'))).toMatch(
    /^DeviceErrorinit: WebGPU in Node needs the package webgpu \(npm install webgpu\)[^]*\[ 1, 1 \]/,
  )
  // The testing kit is an entry as well, and needs its peer dependency.
  const entries = Object.keys(manifest.exports).filter((entry) => !/json$|js$/.test(entry) && entry !== './testing')
  const imports = entries.map((entry, i) => `import * as e${i} from 'cotangent${entry.slice(1)}'\n`).join('')
  const used = `${imports}export const empty = [${entries.map((_, i) => `e${i}`).join(', ')}].filter((e) => Object.keys(e).length === 0)\n`
  writeFileSync(join(folder, 'user/b.js'), `${used}console.log(empty.length)\n`)
  expect(run('node', ['b.js'], join(folder, 'user')).trim()).toBe('0')
  writeFileSync(join(folder, 'user/c.ts'), used)
  const examples = readmeExamples()
  putModels(join(folder, 'user'))
  examples.forEach((code, i) => writeFileSync(join(folder, `user/readme${i}.ts`), code))
  const compilerOptions = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2022', lib: ['es2022', 'dom'], types: [] }
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const config = {
      compilerOptions: { ...compilerOptions, module, moduleResolution },
      files: ['c.ts', ...examples.map((_, i) => `readme${i}.ts`)],
    }
    writeFileSync(join(folder, 'user/tsconfig.json'), JSON.stringify(config))
    expect(run(resolve('node_modules/.bin/tsc'), ['-p', '.'], join(folder, 'user'))).toBe('')
  }
  let held = 0
  // A line of an example that ends in a comment's value has that value.
  examples.forEach((code, i) => {
    const told = code.replace(/^(?!(?:const|let|for|import) )(\S.*) \/\/ (.+)$/gm, 'told.push([$1, $2])')
    const js = `const told = []\n${transformSync(told, { loader: 'ts' }).code}\nconsole.log(JSON.stringify(told.map(([x, y]) => [x.toArray?.() ?? x, y])))`
    writeFileSync(join(folder, `user/readme${i}.js`), js)
    const pairs = JSON.parse(
      run('node', [`readme${i}.js`], join(folder, 'user'))
        .trim()
        .split('\n')
        .at(-1)!,
    ) as [unknown, unknown][]
    for (const [got, want] of pairs) expect(got).toEqual(want)
    held += pairs.length
  })
  expect([examples.length, held]).toEqual([4, 6])
  rmSync(folder, { recursive: true })
})

/** The folders that README.md speaks of: tiny models in their place, and a tokenizer of letters. */
const putModels = (to: string): void => {
  for (const [name, from] of [['smollm2', 'llama'], ['all-MiniLM-L6-v2', 'minilm']] as const) cpSync(`test/golden/models/${from}`, join(to, name), { recursive: true }) // prettier-ignore
  const letters = [...' abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((letter, i) => [letter, i])
  const model = { type: 'BPE', vocab: Object.fromEntries(letters) as unknown, merges: [] }
  writeFileSync(join(to, 'smollm2/tokenizer.json'), JSON.stringify({ version: '1.0', model }))
}
/** The TypeScript of README.md, block by block. */
const readmeExamples = (): readonly string[] =>
  [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(([, code]) => code!)

test('what npm start and npm run tour start is what the build made', () => {
  const { scripts } = manifest
  expect(run('sh', ['-c', `${scripts['start']} --help`], '.')).toContain('--text PATH')
  expect(run('sh', ['-c', scripts['tour']!], '.')).toContain('predictions')
})
