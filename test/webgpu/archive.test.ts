/** What is unpacked is whole, whoever unpacks it. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildSync } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { unpack, untar } from '../../examples/software/archive.ts'
import { describeUnless } from './needs.ts'
import { supported } from '../../examples/software/swiftshader.ts'

/** Under node_modules, so that a program there finds packages. */
const scratch = (): string => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'archive-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A header and its data; numbers are octal. */
const entry = (name: string, type: string, data: string): Buffer => {
  const block = Buffer.alloc(512 + Math.ceil(data.length / 512) * 512)
  block.write(name, 0)
  block.write(data.length.toString(8).padStart(11, '0'), 124)
  block.write(type, 156)
  block.write(data, 512)
  return block
}
const end = Buffer.alloc(1024)

test('tar: files of no bytes, of a block and of more; folders are made for them; links and ends within a file are refused', () => {
  const long = 'x'.repeat(513)
  const files = untar(Buffer.concat([entry('a', '0', ''), entry('b/', '5', ''), entry('b/c', '0', long), entry('d', '\0', 'd'), end]))
  expect(files.map(([path, data]) => [path, Buffer.from(data).toString()])).toEqual([
    ['a', ''],
    ['b/c', long],
    ['d', 'd'],
  ])
  expect(() => untar(Buffer.concat([entry('link', '2', ''), end]))).toThrow('link: an entry of type 2')
  expect(() => untar(entry('b', '0', long).subarray(0, 1000))).toThrow('b: the archive ends within it')
})

describeUnless(supported ? null : 'the archives are for Linux x64', 'archives', () => {
  test('three processes that unpack the same folder at once leave it whole, and nothing beside it', async () => {
    const folder = scratch()
    const target = join(folder, 'made/swiftshader')
    buildSync({ entryPoints: [fileURLToPath(new URL('../../examples/software/archive.ts', import.meta.url))], outfile: join(folder, 'archive.mjs'), platform: 'node', format: 'esm' }) // prettier-ignore
    writeFileSync(join(folder, 'run.mjs'), `import { unpack } from './archive.mjs'\nunpack(['swiftshader'], ${JSON.stringify(target)})\n`)
    await Promise.all([1, 2, 3].map(() => promisify(execFile)(process.execPath, [join(folder, 'run.mjs')])))
    expect(readdirSync(join(folder, 'made'))).toEqual(['swiftshader'])
    const { ICD } = JSON.parse(readFileSync(join(target, 'vk_swiftshader_icd.json'), 'utf8')) as { ICD: { library_path: string } }
    expect(ICD.library_path).toBe('./libvk_swiftshader.so')
    expect(readFileSync(join(target, 'libvk_swiftshader.so')).subarray(1, 4).toString()).toBe('ELF')
  })
  test('a folder that is there is taken as it is; one that fails leaves nothing', () => {
    const folder = scratch()
    unpack(['swiftshader'], join(folder, 'a'))
    const before = statSync(join(folder, 'a')).ctimeMs
    unpack(['swiftshader'], join(folder, 'a'))
    expect(statSync(join(folder, 'a')).ctimeMs).toBe(before)
    expect(() => unpack(['swiftshader', 'none' as 'al2023'], join(folder, 'b'))).toThrow('none.tar.br')
    expect(readdirSync(folder)).toEqual(['a'])
  })
})
