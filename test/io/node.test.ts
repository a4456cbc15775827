import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { np } from '../../src/index.ts'
import { FileError } from '../../src/io/index.ts'
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
