/** A save is whole or isn't: what isn't the model's is refused before anything is written, and a disk that is full leaves what was there. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { load, save } from '../../src/hub/node.ts'
import { bytesInUse, np, type NdArray, tree } from '../../src/index.ts'
import { ArgumentError } from '../../src/core/errors.ts'

/** The disk takes so many files more. */
const disk = vi.hoisted(() => ({ room: Infinity }))
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>()
  return {
    ...fs,
    open: async (...args: Parameters<typeof fs.open>) => {
      const file = await fs.open(...args)
      if (args[1] === 'w' && disk.room-- <= 0)
        file.writeFile = async () => {
          await file.write('half')
          throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
        }
      return file
    },
  }
})
afterEach(() => void (disk.room = Infinity))

const golden = 'test/golden/models/llama'
const made: string[] = []
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true })))
const { model, params } = await load(golden)
const saved = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'save-'))
  made.push(folder)
  await save(folder, model, params)
  return folder
}
/** Every file, by its name. */
const contents = (folder: string): object =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]))
const other = tree.map((x: NdArray) => np.mul(x, 2), params) as typeof params

test('what isn’t the model’s is refused by its path, and nothing is written', async () => {
  const folder = await saved()
  const before = contents(folder)
  const refused: readonly (readonly [params: unknown, why: RegExp])[] = [
    [null, /^save: the parameters aren't the model's: missing: .embed.w, /],
    [3, /of no place in it: /],
    [{}, /missing: .embed.w, .* and \d more$/],
    [{ ...params, layers: params.layers.slice(1) }, /missing: .layers\[1\].attn.k.weight, .* .layers\[1\].mlpNorm.scale$/],
    [{ ...params, more: np.ones([1]) }, /^save: the parameters aren't the model's: of no place in it: .more$/],
    [{ ...params, norm: { scale: np.ones([3]) } }, /unfit: .norm.scale \(f32\[3\] for floats \[32\]\)$/],
    [{ ...params, norm: { scale: np.ones([32], 'int32') } }, /unfit: .norm.scale \(i32\[32\] for floats \[32\]\)$/],
    [{ ...params, norm: { scale: 3 } }, /unfit: .norm.scale \(3 for floats \[32\]\)$/],
  ]
  for (const [own, why] of refused) await expect(save(folder, model, own)).rejects.toThrow(why)
  for (const of of [null, {}, 3, { kind: 'decoder' }]) {
    const error = await save(folder, of as never, params).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ArgumentError)
    expect((error as Error).message).toMatch(/^save: a model is needed, as load or fromConfig gives it, and got /)
  }
  for (const tokenizer of [{}, { files: 3 }, { files: { tokenizer: {}, config: undefined } }])
    await expect(save(folder, model, other, { tokenizer: tokenizer as never })).rejects.toThrow(/^save: tokenizer is one that load or tokenizerOf gives/) // prettier-ignore
  const json: Record<string, unknown> = { ...model.json }
  json['self'] = json
  await expect(save(folder, { ...model, json }, other)).rejects.toThrow(/^save: model.json can't be read: .*circular/)
  expect(contents(folder)).toEqual(before)
})

test.each([0, 1, 2, 3])('a disk with room for %i files of four leaves every one as it was', async (room) => {
  const folder = await saved()
  const vocab = { tokenizer: { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } }, config: {}, template: null }
  const before = contents(folder)
  disk.room = room
  const saving = save(folder, model, other, { tokenizer: { files: vocab } as never })
  await expect(saving).rejects.toThrow(/(safetensors|config.json|tokenizer.json|tokenizer_config.json) can't be written: ENOSPC/)
  expect(contents(folder)).toEqual(before)
})
test('nor does a folder in a file’s place', async () => {
  const folder = await saved()
  rmSync(join(folder, 'config.json'))
  mkdirSync(join(folder, 'config.json'))
  const before = readFileSync(join(folder, 'model.safetensors'))
  await expect(save(folder, model, other)).rejects.toThrow(/config.json can't be written: a folder is there/)
  expect(readFileSync(join(folder, 'model.safetensors')).equals(before)).toBe(true)
  expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors'])
})
test('neither a load nor a save leaves arrays behind', async () => {
  const folder = await saved()
  const before = bytesInUse()
  await save(folder, model, params)
  expect(bytesInUse()).toBe(before)
  const again = await load(folder)
  for (const x of tree.leaves(again.params) as NdArray[]) x.dispose()
  expect(bytesInUse()).toBe(before)
})
test('saves at once leave one of them, whole', async () => {
  const folder = await saved()
  await Promise.all([params, other, params, other].map((own) => save(folder, model, own)))
  const { params: read } = await load(folder)
  const sums = [read, params, other].map((own) => np.sum(np.abs((own.embed as { w: NdArray }).w)).item())
  expect(sums.slice(1)).toContain(sums[0])
  expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors'])
})
test('what a file beside the config said of the end of texts is saved with it', async () => {
  const folder = await saved()
  writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": [5, 6]}')
  const before = await load(folder)
  rmSync(join(folder, 'generation_config.json'))
  await save(folder, before.model, before.params)
  expect([before.model.eos, (await load(folder)).model.eos]).toEqual([[5, 6], [5, 6]]) // prettier-ignore
})
