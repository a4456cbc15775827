/** Models of the Hub are downloaded once: into the layout that Python's library reads, whole or not at all, whatever the network, the disk and the server do. */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { load, type LoadOptions, type Progress } from '../../src/hub/node.ts'
import { np } from '../../src/index.ts'
import { FileError } from '../../src/io/index.ts'
import { COMMIT, type FakeHub, fakeHub, ID, shortPauses } from './server.ts'

const made: string[] = []
afterAll(() => made.forEach((folder) => rmSync(folder, { recursive: true })))
let hub: FakeHub
let cacheDir: string
let pauses: number[]
beforeEach(async () => {
  hub = await fakeHub()
  made.push((cacheDir = mkdtempSync(join(tmpdir(), 'hub-'))))
  vi.stubEnv('HF_ENDPOINT', hub.origin)
  vi.stubEnv('HF_TOKEN', '')
  pauses = shortPauses()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  await hub.close()
})

const logitsOf = async (options: LoadOptions = {}, source: string = ID): Promise<unknown> => {
  const { model, params } = await load(source, { cacheDir, ...options, kind: 'decoder' })
  return model.apply(params, { inputIds: np.array([[1, 2, 3]], { dtype: 'int32' }) }).logits.toArray()
}
const wanted = await load('test/golden/models/llama').then(({ model, params }) =>
  model.apply(params, { inputIds: np.array([[1, 2, 3]], { dtype: 'int32' }) }).logits.toArray(),
)
const folder = (): string => join(cacheDir, 'models--someone--a-llama')
const weights = (): FakeHub['files'][string] => hub.files['model.safetensors']!
const blob = (): string => join(folder(), 'blobs', weights().hash)
/** Ranges of the weights that were asked for. */
const ranges = (): readonly string[] =>
  hub.asked.filter((line) => line.includes('/cdn/model.safetensors')).map((line) => line.split(' ')[2]!)
const blobs = (): readonly string[] => readdirSync(join(folder(), 'blobs')).sort()

describe('a model of the Hub', () => {
  test('is laid out as Python’s library does, and read from there afterwards: the Hub is asked for its commit and its list alone', async () => {
    const seen: Progress[] = []
    expect(await logitsOf({ onProgress: (progress) => seen.push(progress) })).toEqual(wanted)
    expect(readFileSync(join(folder(), 'refs/main'), 'utf8')).toBe(COMMIT)
    expect(blobs()).toEqual(Object.values(hub.files).map(({ hash }) => hash).sort()) // prettier-ignore
    const link = join(folder(), 'snapshots', COMMIT, 'model.safetensors')
    expect([lstatSync(link).isSymbolicLink(), readFileSync(link).equals(weights().bytes)]).toEqual([true, true])
    const size = weights().bytes.length
    expect(seen).toContainEqual({ stage: 'download', file: 'model.safetensors', loaded: size, total: size })
    expect(seen.at(-1)).toMatchObject({ stage: 'read', file: 'model.safetensors' })
    hub.asked.length = 0
    expect(await logitsOf()).toEqual(wanted)
    expect(hub.asked).toEqual([`GET /api/models/${ID}/revision/main`, `GET /api/models/${ID}/tree/${COMMIT}`])
  })
  test('is read without a network: after one question, or none with HF_HUB_OFFLINE', async () => {
    await logitsOf()
    hub.down = true
    hub.asked.length = 0
    expect(await logitsOf()).toEqual(wanted)
    expect(hub.asked.length).toBe(1)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect(await logitsOf()).toEqual(wanted)
    expect(await logitsOf({ revision: COMMIT })).toEqual(wanted)
    expect(hub.asked.length).toBe(1)
    await expect(logitsOf({ revision: 'v1' })).rejects.toThrow(/isn't in .*, and HF_HUB_OFFLINE is set: load it once without/)
  })
  test('that Python downloaded is found by HF_HUB_CACHE; a new commit that changed a file takes that file alone', async () => {
    await logitsOf()
    vi.stubEnv('HF_HUB_CACHE', cacheDir)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    const { params } = await load(ID)
    expect(params).toBeDefined()
    vi.stubEnv('HF_HUB_OFFLINE', '')
    hub.commit = 'd'.repeat(40)
    hub.asked.length = 0
    expect(await logitsOf()).toEqual(wanted)
    expect(ranges()).toEqual([])
    expect(readFileSync(join(folder(), 'refs/main'), 'utf8')).toBe(hub.commit)
  })
  test.each([
    ['HF_HUB_CACHE', '~/cache', 'cache'],
    ['HF_HUB_CACHE', '$HOME/a ${HOME_PART}', 'a b'],
    ['HF_HUB_CACHE', '~/$UNSET_HERE', '$UNSET_HERE'],
    ['HUGGINGFACE_HUB_CACHE', '${HOME}/old', 'old'],
    ['HF_HOME', '~/hf', 'hf/hub'],
    ['HF_HOME', '~', 'hub'],
    ['XDG_CACHE_HOME', '$HOME/xdg', 'xdg/huggingface/hub'],
    ['HF_HOME', '', '.cache/huggingface/hub'],
  ])('is kept where %s, %s, leads in a shell', async (name, value, place) => {
    for (const other of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME']) vi.stubEnv(other, '')
    vi.stubEnv('HOME', cacheDir)
    vi.stubEnv('HOME_PART', 'b')
    vi.stubEnv(name, value)
    await load(ID)
    expect(existsSync(join(cacheDir, place, 'models--someone--a-llama/refs/main'))).toBe(true)
  })
  test('isn’t kept in somebody else’s home, which isn’t known, nor in a folder without a name', async () => {
    vi.stubEnv('HF_HUB_CACHE', '~somebody/cache')
    await expect(load(ID)).rejects.toThrow(/^HF_HUB_CACHE is ~somebody\/cache, and only your own home is known here/)
    await expect(logitsOf({ cacheDir: '' })).rejects.toThrow(/^load: cacheDir is a folder's path, and got ""/)
    expect(existsSync('models--someone--a-llama')).toBe(false)
  })
  test('isn’t kept with cache: false', async () => {
    expect(await logitsOf({ cache: false })).toEqual(wanted)
    expect(existsSync(folder())).toBe(false)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    hub.asked.length = 0
    await expect(logitsOf({ cache: false })).rejects.toThrow(/^someone\/a-llama isn't read from the Hub: HF_HUB_OFFLINE is set/)
    expect(hub.asked).toEqual([])
  })
  test('whose update breaks off stays as it was, without a network', async () => {
    await logitsOf()
    hub.commit = 'd'.repeat(40)
    hub.files['model.safetensors'] = { bytes: Buffer.alloc(20_000), hash: '5'.repeat(64) }
    hub.bytesUntilDown = 100
    await expect(logitsOf()).rejects.toThrow(FileError)
    expect(await logitsOf()).toEqual(wanted)
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect(await logitsOf()).toEqual(wanted)
  })
  test('is read from a server that sends files whole, and goes on where it broke off there', async () => {
    hub.ranges = false
    hub.cuts = 1
    expect(await logitsOf()).toEqual(wanted)
    expect(await logitsOf({ cache: false })).toEqual(wanted)
    expect(readFileSync(blob()).equals(weights().bytes)).toBe(true)
  })
  test('is read from a folder of any name', async () => {
    for (const name of Object.keys(hub.files)) hub.files[`v1 #2?/100% ü/${name}`] = hub.files[name]!
    expect(await logitsOf({ subfolder: 'v1 #2?/100% ü' })).toEqual(wanted)
    expect(await logitsOf({ subfolder: 'v1 #2?/100% ü', cache: false })).toEqual(wanted)
  })
  test('is read from a folder within, and from a branch of a branch', async () => {
    for (const name of Object.keys(hub.files)) {
      hub.files[`tuned/small/${name}`] = hub.files[name]!
      delete hub.files[name]
    }
    expect(await logitsOf({ subfolder: 'tuned/small/' })).toEqual(wanted)
    expect(readFileSync(join(folder(), 'snapshots', COMMIT, 'tuned/small/config.json'), 'utf8')).toContain('llama')
    expect(await logitsOf({ subfolder: 'tuned/small', revision: 'refs/pr/1' })).toEqual(wanted)
    expect(readFileSync(join(folder(), 'refs/refs/pr/1'), 'utf8')).toBe(COMMIT)
    await expect(logitsOf()).rejects.toThrow(/^no config.json in someone\/a-llama/)
  })
  test('that the Hub hasn’t, or not for everybody', async () => {
    hub.status = 404
    await expect(logitsOf()).rejects.toThrow(/^the Hub has no someone\/a-llama at main; and there is no folder someone\/a-llama here$/)
    hub.status = 401
    await expect(logitsOf()).rejects.toThrow(/or none for everybody: give a \{ token \} that may read it/)
    await expect(logitsOf({ cache: false })).rejects.toThrow(/the server says 401 Unauthorized: give a \{ token \} that may read it/)
    expect(pauses).toEqual([])
    const unfit = /list of someone\/a-llama at main can't be read: Your access token must start with 'hf_'/
    await expect(logitsOf({ token: 'mine' })).rejects.toThrow(unfit)
    vi.stubEnv('HF_TOKEN', 'mine')
    await expect(logitsOf()).rejects.toThrow(unfit)
    vi.unstubAllEnvs()
  })
})

describe('a download', () => {
  test('that breaks off goes on from the byte where it did, after growing pauses', async () => {
    hub.cuts = 3
    expect(await logitsOf()).toEqual(wanted)
    expect(ranges().map((range) => Number(/=(\d+)/.exec(range)![1]))).toEqual([0, 9000, 18_000, 27_000])
    expect(pauses).toEqual([250, 250, 250]) // each try got further
  })
  test('and what is read by ranges does, too', async () => {
    hub.cuts = 3
    expect(await logitsOf({ cache: false })).toEqual(wanted)
    expect(hub.cuts).toBe(0)
  })
  test('that can’t go on is refused after six tries, and a later load goes on with it', async () => {
    hub.bytesUntilDown = 20_000
    await expect(logitsOf()).rejects.toThrow(/model.safetensors can't be read: /)
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000])
    expect(existsSync(blob())).toBe(false)
    expect(lstatSync(`${blob()}.incomplete`).size).toBe(20_000)
    Object.assign(hub, { down: false, bytesUntilDown: Infinity })
    hub.asked.length = 0
    expect(await logitsOf()).toEqual(wanted)
    expect(ranges()).toEqual([`bytes=20000-${weights().bytes.length - 1}`])
    expect(blobs().filter((name) => name.includes('incomplete'))).toEqual([])
  })
  test('that is ended by its signal rejects with its reason; what came stays', async () => {
    vi.unstubAllGlobals() // pauses as they are
    const controller = new AbortController()
    hub.bytesUntilDown = 20_000
    const loading = logitsOf({ signal: controller.signal })
    await vi.waitUntil(() => hub.down)
    controller.abort(new Error('enough'))
    await expect(loading).rejects.toThrow(/^enough$/)
    expect(existsSync(blob())).toBe(false)
    await expect(logitsOf({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(/^before$/)
  })
  test('of which the beginning is nonsense starts anew; contents without their hash are refused and not kept', async () => {
    mkdirSync(join(folder(), 'blobs'), { recursive: true })
    writeFileSync(`${blob()}.incomplete`, Buffer.alloc(50_000))
    expect(await logitsOf()).toEqual(wanted)
    rmSync(folder(), { recursive: true })
    weights().hash = '0'.repeat(64)
    await expect(logitsOf()).rejects.toThrow(/model.safetensors can't be used: its contents haven't the hash that the Hub promises, 0{64}/)
    expect(blobs().some((name) => name.startsWith('0000'))).toBe(false)
  })
  test('that was cut short after it was kept is fetched again', async () => {
    await logitsOf()
    truncateSync(blob(), 5000)
    expect(await logitsOf()).toEqual(wanted)
    expect(readFileSync(blob()).equals(weights().bytes)).toBe(true)
  })
  test('onto a full disk is refused, and nothing looks whole', async () => {
    mkdirSync(join(folder(), 'blobs'), { recursive: true })
    symlinkSync('/dev/full', `${blob()}.incomplete`)
    const refusal = await logitsOf().catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(FileError)
    expect((refusal as Error).message).toMatch(
      /can't be written: ENOSPC: .*: make room, choose another \{ cacheDir \}, or load with \{ cache: false \}/,
    )
    expect(existsSync(blob())).toBe(false)
    rmSync(`${blob()}.incomplete`)
    expect(await logitsOf()).toEqual(wanted)
  })
  test('by many loads at a time is one', async () => {
    hub.cuts = 5
    const all = await Promise.all(Array.from({ length: 6 }, () => logitsOf()))
    for (const logits of all) expect(logits).toEqual(wanted)
    expect(blobs()).toEqual(Object.values(hub.files).map(({ hash }) => hash).sort()) // prettier-ignore
    expect(readFileSync(blob()).equals(weights().bytes)).toBe(true)
  })
})

test('names that lead out of the cache are refused, whoever gives them', async () => {
  const all = (): readonly string[] => readdirSync(join(cacheDir, '..')).filter((name) => name.includes('escaped'))
  for (const hash of ['../../../escaped', `..\\${'a'.repeat(37)}`, '/tmp/escaped', '']) {
    weights().hash = hash
    await expect(logitsOf()).rejects.toThrow(/the Hub's hash of model.safetensors is ".*", which is none/)
  }
  hub.commit = '../../../escaped'
  await expect(logitsOf()).rejects.toThrow(/the Hub's commit of main is "..\/..\/..\/escaped", which is none/)
  for (const revision of ['../escaped', '/escaped', 'a/../../escaped', 'a\\..\\b', ''])
    for (const cache of [true, false]) await expect(logitsOf({ revision, cache })).rejects.toThrow(/revision is a branch, tag or commit/)
  for (const cache of [true, false]) {
    await expect(logitsOf({ subfolder: '../..', cache })).rejects.toThrow(/subfolder is a folder of the model/)
    await expect(logitsOf({ subfolder: '../..', cache }, 'test/golden/models/llama')).rejects.toThrow(/subfolder is a folder of the model/)
  }
  hub.asked.length = 0
  await expect(logitsOf({ subfolder: '..' }, `${hub.origin}/someone`)).rejects.toThrow(/subfolder is a folder of the model/)
  expect(hub.asked).toEqual([])
  expect(all()).toEqual([])
})

test('options that a load hasn’t are refused', async () => {
  await expect(logitsOf({ cachedir: '/tmp' } as never)).rejects.toThrow(/there is no option cachedir: did you mean cacheDir/)
  await expect(logitsOf({ cache: 'no' as never })).rejects.toThrow(/cache is true or false, and got "no"/)
  await expect(logitsOf({ signal: {} as never })).rejects.toThrow(/signal is an AbortSignal/)
})
