/** A file that was opened is closed, whatever is in it. */
import { expect, test } from 'vitest'
import type { Files } from '../../src/hub/files.ts'
import { loadFrom } from '../../src/hub/load.ts'

test('a file whose header is broken is closed', async () => {
  let [opened, closed] = [0, 0]
  const json = { model_type: 'gpt2', vocab_size: 4, n_embd: 4, n_layer: 1, n_head: 1 }
  const files: Files = {
    what: 'it',
    text: async (name) => (name === 'config.json' ? JSON.stringify(json) : null),
    open: async () => {
      opened++
      return { size: 4, read: async (begin, end) => new Uint8Array(end - begin), close: async () => void closed++ }
    },
  }
  await expect(loadFrom(files, {})).rejects.toThrow(/it\/model.safetensors/)
  expect([opened, closed]).toEqual([1, 1])
})
