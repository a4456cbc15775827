import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync, writeSync, openSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { np } from '../../src/index.ts'
import { FileError } from '../../src/io/index.ts'
import { file } from './file.ts'
import { readSafetensors, writeAtomically, writeSafetensors } from '../../src/io/node.ts'

const folder = mkdtempSync(join(tmpdir(), 'io-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a file is written whole and read back, and nothing is left beside it', async () => {
  const path = join(folder, 'a.safetensors')
  await writeSafetensors(path, { w: np.array([[1, 2]]) }, { step: '7' })
  await writeSafetensors(path, { w: np.array([[3, 4]]) }, { step: '8' })
  const { tensors, metadata } = await readSafetensors(path)
  expect(tensors['w']!.toArray()).toEqual([[3, 4]])
  expect(metadata).toEqual({ step: '8' })
  expect(readdirSync(folder)).toEqual(['a.safetensors'])
})

test('what can’t be read or written is refused, naming the file', async () => {
  const missing = join(folder, 'none.safetensors')
  await expect(readSafetensors(missing)).rejects.toThrow(FileError)
  await expect(readSafetensors(missing)).rejects.toThrow(`${missing} can't be read: ENOENT`)
  await expect(writeAtomically(join(folder, 'none/x'), 'x')).rejects.toThrow(/none\/x can't be written: ENOENT/)
})

test('a write that fails leaves the old contents, and nothing beside them', async () => {
  const path = join(folder, 'kept')
  mkdirSync(path)
  await expect(writeAtomically(path, 'a folder is in the way')).rejects.toThrow(FileError)
  await expect(writeAtomically(join(folder, 'a.safetensors/x'), 'a file is no folder')).rejects.toThrow(FileError)
  expect(readdirSync(folder)).toEqual(['a.safetensors', 'kept'])
})

test('a file larger than one read takes is read by ranges', async () => {
  const path = join(folder, 'large')
  const size = 3 * 2 ** 30
  const head = file({
    a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
    large: { dtype: 'F32', shape: [size / 4], data_offsets: [8, 8 + size] },
    b: { dtype: 'I32', shape: [1], data_offsets: [8 + size, 12 + size] },
  })
  writeFileSync(path, head)
  truncateSync(path, head.length + 12 + size) // sparse: it takes no room
  const at = openSync(path, 'r+')
  writeSync(at, Uint8Array.of(7), 0, 1, head.length + 8 + size)
  closeSync(at)
  const { tensors } = await readSafetensors(path, { names: ['a', 'b'] })
  expect([tensors['a']!.toArray(), tensors['b']!.toArray(), Object.keys(tensors)]).toEqual([[0, 0], [7], ['a', 'b']])
  truncateSync(path, head.length + 11 + size)
  await expect(readSafetensors(path, { names: ['a'] })).rejects.toThrow(`${path} can't be read: it is truncated`)
  rmSync(path)
})

test('what readers refuse leaves the old file as it is', async () => {
  const path = join(folder, 'a.safetensors')
  await writeSafetensors(path, { w: np.array([5]) })
  await expect(writeSafetensors(path, { w: np.array([6]) }, { step: 1 } as never)).rejects.toThrow(FileError)
  expect((await readSafetensors(path)).tensors['w']!.toArray()).toEqual([5])
})

test('arrays may be disposed of while their file is written', async () => {
  const path = join(folder, 'a.safetensors')
  const w = np.array([8])
  const written = writeSafetensors(path, { w })
  w.dispose()
  await written
  expect((await readSafetensors(path)).tensors['w']!.toArray()).toEqual([8])
})
