/** Whatever is in a model's files, or becomes of them, a load refuses it with an error of the family; never a model of something else. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { load } from '../../src/hub/node.ts'
import { np } from '../../src/index.ts'
import { decodeSafetensors, encodeSafetensors, FileError } from '../../src/io/index.ts'

const golden = 'test/golden/models/llama'
const made: string[] = []
const folderOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
  made.push(folder)
  for (const file of ['config.json', 'model.safetensors']) cpSync(join(golden, file), join(folder, file))
  return folder
}
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true })))
const bytes = readFileSync(join(golden, 'model.safetensors'))
const config = JSON.parse(readFileSync(join(golden, 'config.json'), 'utf8')) as object
const refusal = async (source: Parameters<typeof load>[0], options: Parameters<typeof load>[1] = {}): Promise<string> => {
  const error = await load(source, options).then(
    () => null,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(FileError)
  return (error as Error).message
}
/** A model's folder with files that are so; null: with a folder of that name. */
const withFiles = (files: Readonly<Record<string, string | object | null>>): string => {
  const folder = folderOf()
  for (const [name, contents] of Object.entries(files)) {
    rmSync(join(folder, name), { force: true })
    if (contents === null) mkdirSync(join(folder, name))
    else writeFileSync(join(folder, name), contents instanceof Uint8Array || typeof contents === 'string' ? contents : JSON.stringify(contents)) // prettier-ignore
  }
  return folder
}

describe('weights', () => {
  test.each(['int32', 'uint32', 'bool'] as const)('of %s are no model’s', async (dtype) => {
    const { tensors } = decodeSafetensors(bytes, golden)
    const whole = await encodeSafetensors({ ...tensors, 'model.norm.weight': np.ones([32], dtype) })
    expect(await refusal(withFiles({ 'model.safetensors': whole }))).toMatch(
      /doesn't fit the model: of a dtype that is no float: model.norm.weight: (I32|U32|BOOL)$/,
    )
  })
  test('as large as no array is', async () => {
    for (const more of [{ vocab_size: 1e15 }, { hidden_size: 2 ** 40 }, { num_attention_heads: 1e9, head_dim: 2 ** 40 }])
      expect(await refusal(withFiles({ 'config.json': { ...config, ...more } }))).toMatch(/config.json: no model is as large as it says: /)
  })
  test('of eight bits become what floats do', async () => {
    const start = 8 + Number(bytes.readBigUInt64LE(0))
    const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, { dtype: string; shape: number[]; data_offsets: number[] }> // prettier-ignore
    let end = 0
    for (const [name, { shape }] of Object.entries(header))
      if (name !== '__metadata__') header[name] = { dtype: 'F8_E4M3', shape, data_offsets: [end, (end += shape.reduce((n, m) => n * m, 1))] } // prettier-ignore
    const text = Buffer.from(JSON.stringify(header))
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(text.length))
    const folder = withFiles({ 'model.safetensors': Buffer.concat([size, text, Buffer.alloc(end)]) })
    const dtypeOf = async (options: object): Promise<string> => ((await load(folder, options)).params.embed.w as { dtype: string }).dtype
    expect([await dtypeOf({}), await dtypeOf({ dtype: 'bfloat16' })]).toEqual(['float32', 'bfloat16'])
  })
})

describe('files', () => {
  test.each(['config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json'])('%s may be a folder', async (name) => {
    expect(await refusal(withFiles({ [name]: null }))).toMatch(/can't be read: EISDIR/)
  })
  test('an index is read where there is no single file, and maps names', async () => {
    const index = (weight_map: unknown) => ({ 'model.safetensors.index.json': { weight_map } })
    expect((await load(withFiles(index({ a: 'old.safetensors' })))).model.kind).toBe('decoder')
    for (const map of [[], ['model.safetensors'], 3, null]) {
      const folder = withFiles(index(map))
      rmSync(join(folder, 'model.safetensors'))
      expect(await refusal(folder)).toMatch(/model.safetensors.index.json has no weight_map$/)
    }
  })
  test('that were dropped may be gone', async () => {
    const file = (name: string, over: object = {}): File => Object.assign(new File([readFileSync(join(golden, name))], name), over)
    const text = () => Promise.reject(new DOMException('moved', 'NotFoundError'))
    const slice = () => ({ arrayBuffer: text })
    expect(await refusal([file('config.json', { text })])).toMatch(
      /^config.json of the given files can't be read: .*moved: choose it again$/,
    )
    expect(await refusal([file('config.json'), file('model.safetensors', { slice })])).toMatch(
      /^model.safetensors of the given files can't/,
    )
  })
  test('a Hub id leads nowhere else', async () => {
    for (const source of ['someone/..', 'someone/.git']) await expect(load(source)).rejects.toThrow(/^load: a folder, a URL, a Hub id or a list/) // prettier-ignore
  })
})

describe('a tokenizer', () => {
  const vocab = (vocab: unknown, more: object = {}): object => ({ model: { type: 'BPE', vocab, merges: [] }, ...more })
  test.each<[object, RegExp]>([
    [vocab({ a: -1 }), /the id of "a" is -1/],
    [vocab({ a: 1.5 }), /the id of "a" is 1.5/],
    [vocab({ a: '0' }), /the id of "a" is "0"/],
    [vocab({ a: 1e15 }), /the id of "a" is 1000000000000000/],
    [vocab({ a: 0 }, { added_tokens: [{ id: 1e9, content: 'x' }] }), /the id of "x" is 1000000000: a whole number from 0 to 16777215/],
    [vocab({ a: 0 }, { added_tokens: [3] }), /the id of 3 is undefined/],
    [vocab({ a: 0 }, { added_tokens: 3 }), /tokenizer.json can't be read/],
    [vocab(null), /tokenizer.json can't be read/],
  ])('%o is none', async (tokenizer, why) => {
    expect(await refusal(withFiles({ 'tokenizer.json': tokenizer }))).toMatch(why)
  })
  test('has a chat template that is one, or none', async () => {
    const folder = (chat_template: unknown): string => withFiles({ 'tokenizer.json': vocab({ a: 0 }), 'tokenizer_config.json': { chat_template } }) // prettier-ignore
    for (const template of [3, [null], [{ name: 'x' }], {}]) expect(await refusal(folder(template))).toMatch(/^tokenizer_config.json: chat_template is /) // prettier-ignore
    for (const template of [null, 'x', [null, { name: 'default', template: 'x' }]])
      expect((await load(folder(template))).tokenizer!.hasChat).toBe(template !== null)
  })
})

describe('a server', () => {
  let range = (begin: number, end: number, size: number): string => `bytes ${begin}-${end - 1}/${size}`
  let server: Server
  beforeAll(async () => {
    server = createServer(({ url, headers }, response) => {
      const name = url!.split('/').at(-1)!
      if (!['config.json', 'model.safetensors'].includes(name)) return void response.writeHead(404).end()
      const all = readFileSync(join(golden, name))
      const [begin, end] = /bytes=(\d+)-(\d+)/.exec(headers.range!)!.slice(1).map(Number) as [number, number]
      const until = Math.min(all.length, end + 1)
      response.writeHead(206, { 'content-range': range(begin, until, all.length) }).end(all.subarray(begin, until))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  })
  afterAll(() => void server.close())
  test.each<[string, (begin: number, end: number, size: number) => string, RegExp]>([
    ['a length beyond memory', (b, e) => `bytes ${b}-${e - 1}/${10 ** 15}`, /config.json can't be read: it is 1000000000000000 bytes long, and 268435456 are the most/], // prettier-ignore
    ['a length without end', (b, e) => `bytes ${b}-${e - 1}/${'9'.repeat(400)}`, /config.json can't be read: it is Infinity bytes long/],
    ['another part', (b, e, n) => `bytes ${b + 3}-${e + 2}/${n}`, /config.json can't be read: the server sent another part/],
    ['no length', (b, e) => `bytes ${b}-${e - 1}/*`, /the server doesn't say how long it is/],
  ])('says %s', async (_, said, why) => {
    range = said
    expect(await refusal(`http://127.0.0.1:${(server.address() as AddressInfo).port}/llama`)).toMatch(why)
  })
})
