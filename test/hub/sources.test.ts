/** Where models come from, and what is refused: folders, shards, servers that break off or know no ranges, dropped files; hostile and wrong ones. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { load, save } from '../../src/hub/node.ts'
import { np } from '../../src/index.ts'
import { decodeSafetensors, encodeSafetensors } from '../../src/io/index.ts'
import { shortPauses } from './server.ts'

const golden = 'test/golden/models/llama'
const made: string[] = []
const folderOf = (from = golden): string => {
  const folder = mkdtempSync(join(tmpdir(), 'model-'))
  made.push(folder)
  for (const file of ['config.json', 'model.safetensors']) cpSync(join(from, file), join(folder, file))
  return folder
}
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true })))
const config = (folder: string, change: (json: Record<string, unknown>) => void): string => {
  const path = join(folder, 'config.json')
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  change(json)
  writeFileSync(path, JSON.stringify(json))
  return folder
}
const logitsOf = async (source: Parameters<typeof load>[0], options: Parameters<typeof load>[1] = {}): Promise<unknown> => {
  const { model, params } = await load(source, { ...options, kind: 'decoder' })
  return model.apply(params, { inputIds: np.array([[1, 2, 3]], { dtype: 'int32' }) }).logits.toArray()
}
const bytes = readFileSync(join(golden, 'model.safetensors'))

describe('what a config may say', () => {
  const refused: Readonly<Record<string, readonly [(json: Record<string, unknown>) => void, RegExp]>> = {
    'an unknown architecture': [
      (c) => (c['model_type'] = 'rwkv'),
      /config.json: model_type is rwkv, and known are gpt2, llama, .*mistral, .*vit/,
    ],
    'no architecture': [(c) => delete c['model_type'], /has no model_type, which should be a text/],
    'more layers than any model has': [
      (c) => (c['num_hidden_layers'] = 1e9),
      /num_hidden_layers is 1000000000: no model has more than 4096/,
    ],
    'no width': [(c) => delete c['hidden_size'], /has no hidden_size, which should be a whole number above 0/],
    'a width that is a text': [(c) => (c['hidden_size'] = 'wide'), /hidden_size is "wide": a whole number above 0 was expected/],
    'an unknown activation': [(c) => (c['hidden_act'] = 'swoosh'), /hidden_act is "swoosh": known here are relu, silu, /],
    'an unknown rope': [
      (c) => (c['rope_parameters'] = { rope_type: 'spiral', rope_theta: 1 }),
      /rope_parameters: rope_type is "spiral": known here are default, /,
    ],
    'a rope without its factor': [
      (c) => (c['rope_parameters'] = { rope_type: 'linear', rope_theta: 1 }),
      /rope_parameters has no factor, which should be a number/,
    ],
    'a rope that is none': [(c) => (c['rope_parameters'] = 7), /rope_parameters is 7, and an object was expected/],
  }
  test.each(Object.keys(refused))('%s is refused', async (name) => {
    const [change, why] = refused[name]!
    await expect(load(config(folderOf(), change))).rejects.toThrow(why)
  })
  test('an encoder is told from a decoder, and the way out is said', async () => {
    await expect(load('test/golden/models/bert')).rejects.toThrow(
      /bert is an encoder, and a decoder was asked for: { kind: 'encoder' } loads it/,
    )
  })
  test('text that is no JSON, or no object', async () => {
    const folder = folderOf()
    writeFileSync(join(folder, 'config.json'), '{"model_type": ')
    await expect(load(folder)).rejects.toThrow(/config.json is no JSON/)
    writeFileSync(join(folder, 'config.json'), '[1]')
    await expect(load(folder)).rejects.toThrow(/config.json isn't an object/)
    rmSync(join(folder, 'config.json'))
    await expect(load(folder)).rejects.toThrow(/no config.json in /)
  })
  test('the older dialect says the same as the newer', async () => {
    const newer = config(folderOf('test/golden/models/llama3'), () => {})
    const older = config(folderOf('test/golden/models/llama3'), (c) => {
      const { rope_theta, ...scaling } = c['rope_parameters'] as Record<string, unknown>
      Object.assign(c, { rope_theta, rope_scaling: scaling })
      delete c['rope_parameters']
    })
    expect(await logitsOf(older)).toEqual(await logitsOf(newer))
  })
})

describe('tensors', () => {
  test('that are missing, misshapen or have no place are listed together', async () => {
    const folder = folderOf()
    const tensors: Record<string, ReturnType<typeof np.zeros>> = { ...decodeSafetensors(bytes, 'llama').tensors }
    delete tensors['model.norm.weight']
    tensors['lm_head.weight'] = np.zeros([3, 32])
    tensors['model.layers.7.mlp.up_proj.weight'] = np.zeros([1])
    writeFileSync(join(folder, 'model.safetensors'), await encodeSafetensors(tensors))
    await expect(load(folder)).rejects.toThrow(
      /missing: model.norm.weight: f32\[32\]. of another shape: lm_head.weight: \[3,32\], expected \[64,32\]. with no place in the model: model.layers.7.mlp.up_proj.weight/,
    )
  })
  test('of a truncated file, or of none', async () => {
    const folder = folderOf()
    writeFileSync(join(folder, 'model.safetensors'), bytes.subarray(0, bytes.length - 100))
    await expect(load(folder)).rejects.toThrow(/model.safetensors can't be read: /)
    writeFileSync(join(folder, 'model.safetensors'), bytes.subarray(0, 5))
    await expect(load(folder)).rejects.toThrow(/it has 5 bytes/)
    rmSync(join(folder, 'model.safetensors'))
    await expect(load(folder)).rejects.toThrow(/has no model.safetensors/)
  })
  test('in shards, by their index; an index that leads elsewhere is refused', async () => {
    const folder = folderOf()
    const entries = Object.entries(decodeSafetensors(bytes, 'llama').tensors)
    const half = [entries.filter((_, i) => i % 2 === 0), entries.filter((_, i) => i % 2 === 1)]
    const index: Record<string, string> = {}
    for (const [i, part] of half.entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`
      for (const [name] of part) index[name] = file
      writeFileSync(join(folder, file), await encodeSafetensors(Object.fromEntries(part)))
    }
    rmSync(join(folder, 'model.safetensors'))
    const write = (map: unknown): void => writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    write(index)
    expect(await logitsOf(folder)).toEqual(await logitsOf(golden))
    for (const [file, why] of [
      ['../model.safetensors', /the index names "..\/model.safetensors", which is no file of the folder/],
      [3, /the index names 3/],
      ['none.safetensors', /has no none.safetensors/],
    ] as const) {
      // prettier-ignore
      write({ ...index, 'lm_head.weight': file })
      await expect(load(folder)).rejects.toThrow(why)
    }
    write(null)
    await expect(load(folder)).rejects.toThrow(/has no weight_map/)
  })
  test('a tokenizer of another model is refused', async () => {
    const folder = folderOf()
    const vocab = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [String.fromCharCode(97 + i), i]))
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ version: '1.0', model: { type: 'BPE', vocab, merges: [] } }))
    await expect(load(folder)).rejects.toThrow(/the tokenizer has 65 ids, and the model 64: they aren't of one model/)
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": 3}')
    await expect(load(folder)).rejects.toThrow(/tokenizer.json/)
  })
})

describe('a URL', () => {
  /** How the server behaves: it may know no ranges, break off what it sends, or fail. */
  let mode: 'ranges' | 'whole' | 'breaks' | 'fails' | 'lies' = 'ranges'
  let broken = 0
  const answer = ({ url, headers }: IncomingMessage, response: ServerResponse): void => {
    const path = join(golden, url!.split('/').at(-1)!)
    let all
    try {
      all = readFileSync(path)
    } catch {
      return void response.writeHead(404).end()
    }
    const range = /bytes=(\d+)-(\d+)/.exec(headers.range ?? '')
    if (mode === 'fails') return void response.writeHead(503, 'busy').end()
    if (range === null || mode === 'whole') return void response.end(all)
    const [begin, end] = [Number(range[1]), Math.min(all.length, Number(range[2]) + 1)]
    const size = mode === 'lies' ? all.length + 4096 : all.length
    response.writeHead(206, { 'content-range': `bytes ${begin}-${end - 1}/${size}`, 'content-length': end - begin })
    const part = all.subarray(begin, end)
    if (mode !== 'breaks' || part.length < 3000 || broken >= 3) return void response.end(part)
    broken++
    response.write(part.subarray(0, 1500), () => response.destroy())
  }
  let server: Server
  let base: string
  beforeAll(async () => {
    server = createServer(answer)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/llama`
  })
  afterAll(() => void server.close())
  test.each(['ranges', 'whole', 'breaks'] as const)('of a server of the kind “%s”', async (kind) => {
    mode = kind
    const seen: number[] = []
    expect(await logitsOf(base, { onProgress: ({ loaded }) => seen.push(loaded) })).toEqual(await logitsOf(golden))
    expect(seen.at(-1)).toBeGreaterThan(1000)
    if (kind === 'breaks') expect(broken).toBe(3) // and was asked again from the byte where it did
  })
  test('that fails, or lies about its length, or isn’t there', async () => {
    shortPauses()
    mode = 'fails'
    await expect(load(base)).rejects.toThrow(/can't be read/)
    mode = 'lies'
    await expect(load(base)).rejects.toThrow(/config.json can't be read: it broke off at byte 713, and 4809 were promised/)
    mode = 'ranges'
    await expect(load(base.replace(/:\d+/, ':1'))).rejects.toThrow(/config.json can't be read/)
    vi.unstubAllGlobals()
  })
})

test('a name that is no folder is looked for on the Hub, and an error says both', async () => {
  shortPauses()
  vi.stubGlobal('fetch', () => Promise.reject(new Error('no network')))
  await expect(load('no/folder')).rejects.toThrow(
    "https://huggingface.co/api/models/no/folder/revision/main can't be read: no network; and there is no folder no/folder here",
  )
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(null, { status: 404 })))
  await expect(load('no/folder')).rejects.toThrow('the Hub has no no/folder at main; and there is no folder no/folder here')
  vi.unstubAllGlobals()
})

test('an id of the Hub is read from its addresses, by revision, with the token', async () => {
  const asked = new Set<string>()
  vi.stubGlobal('fetch', async (url: string, { headers }: { readonly headers: Readonly<Record<string, string>> }) => {
    asked.add(`${url} ${headers['authorization']}`)
    const name = url.split('/').at(-1)!
    if (!['config.json', 'model.safetensors'].includes(name)) return new Response(null, { status: 404 })
    const [all, range] = [readFileSync(join(golden, name)), /bytes=(\d+)-(\d+)/.exec(headers['range'] ?? '')]
    if (range === null) return new Response(new Uint8Array(all))
    const end = Math.min(all.length, Number(range[2]) + 1)
    return new Response(new Uint8Array(all.subarray(Number(range[1]), end)), { status: 206, headers: { 'content-range': `bytes ${range[1]}-${end - 1}/${all.length}` } }) // prettier-ignore
  })
  try {
    expect(await logitsOf('someone/a-llama', { revision: 'v 2', token: 'hf_x', cache: false })).toEqual(await logitsOf(golden))
  } finally {
    vi.unstubAllGlobals()
  }
  const at = (name: string): string => `https://huggingface.co/someone/a-llama/resolve/v%202/${name} Bearer hf_x`
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) expect(asked).toContain(at(name))
})

test('files that a user dropped', async () => {
  const files = ['config.json', 'model.safetensors'].map((name) => new File([readFileSync(join(golden, name))], name))
  expect(await logitsOf(files)).toEqual(await logitsOf(golden))
  await expect(load([])).rejects.toThrow(/no config.json in the given files/)
  expect(await logitsOf([...files, ...files.map(({ name }) => new File(['{}'], `${name}.old`))])).toEqual(await logitsOf(golden))
  await expect(load([3] as never)).rejects.toThrow(/a folder, a URL, a Hub id or a list of files is needed/)
  await expect(load(7 as never)).rejects.toThrow(/a folder, a URL, a Hub id or a list of files is needed, and got 7/)
})

test('of two dropped files of one name none is taken, unless a folder says which', async () => {
  const inFolder = (folder: string, from: string, path = true): readonly File[] =>
    ['config.json', 'model.safetensors'].map((name) => {
      const file = new File([readFileSync(join(from, name))], name)
      return path ? Object.defineProperty(file, 'webkitRelativePath', { value: `${folder}/${name}` }) : file
    })
  const [gpt2, llama] = [inFolder('all/gpt2', 'test/golden/models/gpt2'), inFolder('all/llama', golden)]
  await expect(load([...gpt2, ...llama])).rejects.toThrow(
    'the given files hold config.json more than once, as all/gpt2/config.json and all/llama/config.json: give the files of one model, or say which folder with { subfolder }',
  )
  expect(await logitsOf([...gpt2, ...llama], { subfolder: 'llama' })).toEqual(await logitsOf(golden))
  expect(await logitsOf(llama)).toEqual(await logitsOf(golden))
  const bare = [...inFolder('', golden, false), ...inFolder('', golden, false)]
  await expect(load(bare)).rejects.toThrow(/config.json more than once, as config.json and config.json: give the files of one model$/)
  await expect(load([bare[0]!, ...bare.filter(({ name }) => name === 'model.safetensors')])).rejects.toThrow(/hold model.safetensors more than once/) // prettier-ignore
})

test('a revision is of the Hub’s models alone', async () => {
  await expect(load(golden, { revision: 'v1' })).rejects.toThrow(
    "load: revision is a branch, tag or commit of the Hub's models, and the folder test/golden/models/llama has none: leave it out",
  )
  await expect(load('http://127.0.0.1:1/llama', { revision: 'main' })).rejects.toThrow(/the URL http.* has none/)
  await expect(load([], { revision: 'main' })).rejects.toThrow(/a list of files has none/)
})

test('what can’t be saved leaves what was there', async () => {
  const folder = folderOf()
  const { model, params } = await load(folder)
  const before = readFileSync(join(folder, 'config.json'), 'utf8')
  await expect(save(join(folder, 'config.json'), model, params)).rejects.toThrow(/can't be made/)
  expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe(before)
  await save(folder, model, params)
  expect(statSync(join(folder, 'model.safetensors')).size).toBeGreaterThan(1000)
  expect(await logitsOf(folder)).toEqual(await logitsOf(golden))
})
