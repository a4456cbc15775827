/**
 * The header of a safetensors file: eight bytes of length, then JSON that says where each tensor's bytes lie. Nothing in it is believed:
 * every tensor must lie inside the file, and together they must cover it once.
 */
import type { FileError } from './errors.ts'
import { bitsOf, type FileDType, isFileDType, readable } from './dtypes.ts'
import { isWellFormed, quoted, Scanner } from './scan.ts'

/** A tensor as its file describes it. */
export interface TensorInfo {
  readonly dtype: FileDType
  readonly shape: readonly number[]
}
/** A tensor's place: its bytes are [begin, end), counted from the end of the header. */
export interface Entry extends TensorInfo {
  readonly name: string
  readonly begin: number
  readonly end: number
}
export interface Header {
  /** By place. */
  readonly entries: readonly Entry[]
  readonly metadata: Readonly<Record<string, string>>
}
/** The error for a reason: a clause that is put behind the file's name. */
export type Refuse = (why: string) => FileError

export const METADATA = '__metadata__'
export const LENGTH_BYTES = 8
/** The format's own limit, against headers that are made to exhaust memory. */
export const MAX_HEADER = 100_000_000
/** NumPy's and PyTorch's limit. */
export const MAX_RANK = 64

/** Where the header ends, by the first bytes of a file that is `length` bytes long. */
export const headerEnd = (bytes: Uint8Array, length: number, refuse: Refuse): number => {
  if (length < LENGTH_BYTES) throw refuse(`it has ${length} bytes, and a safetensors file starts with ${LENGTH_BYTES} of length`)
  const size = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true)
  if (size > MAX_HEADER) throw refuse(`its header would be ${size} bytes long, and ${MAX_HEADER} is the limit: it is no safetensors file`)
  const end = LENGTH_BYTES + Number(size)
  if (end > length) throw refuse(`it is truncated: its header ends at byte ${end}, and it has ${length}`)
  return end
}

/** What the header's JSON says of the `length` bytes behind it. */
export const parseHeader = (json: Uint8Array, length: number, refuse: Refuse): Header => {
  const scan = new Scanner(textOf(json, refuse), refuse)
  if (json[0] !== 0x7b) throw refuse("its header isn't a JSON object: it doesn't begin with {")
  const entries: Entry[] = []
  let metadata: Header['metadata'] = {}
  scan.distinct('its header', (name) => {
    if (name === METADATA) metadata = parseMetadata(scan)
    else entries.push(parseEntry(name, scan, refuse))
  })
  if (scan.peek() !== '') throw scan.malformed()
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  const fault = coverage(entries, length)
  if (fault !== null) throw refuse(fault)
  return { entries, metadata }
}

const textOf = (json: Uint8Array, refuse: Refuse): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json.slice()) // a copy: shared memory isn't decoded
  } catch {
    throw refuse("its header isn't JSON in UTF-8")
  }
}

const parseMetadata = (scan: Scanner): Header['metadata'] => {
  if (scan.isNull()) return {}
  const wrong = `the ${METADATA} in its header isn't an object of strings`
  const texts: [string, string][] = []
  scan.begins('{', wrong)
  scan.distinct(`the ${METADATA} in its header`, (key) => {
    scan.begins('"', wrong)
    texts.push([key, scan.string()])
  })
  return Object.fromEntries(texts)
}

const parseEntry = (name: string, scan: Scanner, refuse: Refuse): Entry => {
  const at = `tensor ${quoted(name)}`
  scan.begins('{', `${at} isn't described by an object`)
  const counts = (limit: number, wrong: string): number[] => {
    const found: number[] = []
    scan.begins('[', wrong)
    scan.items(() => {
      const n = scan.count()
      if (n === null || found.push(n) > limit) throw refuse(wrong)
    })
    return found
  }
  let [dtype, shape, offsets]: [FileDType | null, number[] | null, number[] | null] = [null, null, null]
  scan.distinct(at, (key) => {
    if (key === 'dtype') dtype = parseDType(at, scan, refuse)
    else if (key === 'shape') shape = counts(MAX_RANK, `${at} has a shape that isn't a list of sizes, ${MAX_RANK} at most`)
    else if (key === 'data_offsets') offsets = counts(2, `${at} has data_offsets that aren't two byte positions`)
    else scan.skip()
  })
  if (dtype === null || shape === null || offsets === null) throw refuse(`${at} lacks its dtype, its shape or its data_offsets`)
  return placed(at, name, dtype, shape, offsets, refuse)
}

const parseDType = (at: string, scan: Scanner, refuse: Refuse): FileDType => {
  scan.begins('"', `${at} has a dtype that isn't a text`)
  const dtype = scan.string()
  if (isFileDType(dtype)) return dtype
  throw refuse(`${at} has the dtype ${quoted(dtype)}: ${readable.join(', ')} can be read`)
}

const placed = (
  at: string,
  name: string,
  dtype: FileDType,
  shape: readonly number[],
  offsets: readonly number[],
  refuse: Refuse,
): Entry => {
  const [begin, end] = offsets
  if (begin === undefined || end === undefined) throw refuse(`${at} has data_offsets that aren't two byte positions`)
  const bits = shape.reduce((n, m) => (n > Number.MAX_SAFE_INTEGER ? n : n * m), bitsOf(dtype))
  if (bits > Number.MAX_SAFE_INTEGER || end - begin !== bits / 8)
    throw refuse(`${at} takes bytes ${begin} to ${end}, and ${dtype}[${shape.join(',')}] is ${bits / 8} bytes long`)
  return { name, dtype, shape, begin, end }
}

/** What is wrong with the way the entries, in order, lie in `length` bytes: each must begin where the last one ended. */
const coverage = (entries: readonly Entry[], length: number): string | null => {
  let reached = 0
  for (const { name, begin, end } of entries) {
    if (begin < reached) return `tensor ${quoted(name)} overlaps the one before it at byte ${begin}`
    if (begin > reached) return `no tensor covers its bytes ${reached} to ${begin}`
    reached = end
  }
  if (reached > length) return `it is truncated: its tensors end at byte ${reached} of their part, which has ${length}`
  return reached < length ? `${length - reached} bytes follow its last tensor` : null
}

/** The eight bytes of length and the JSON, padded so that the tensors start aligned. */
export const writeHeader = (entries: readonly Entry[], metadata: Header['metadata'], refuse: Refuse): Uint8Array<ArrayBuffer> => {
  checkTexts(metadata, refuse)
  const described = entries.map((e) => [e.name, { dtype: e.dtype, shape: e.shape, data_offsets: [e.begin, e.end] }] as const)
  const texts = Object.keys(metadata).length === 0 ? [] : [[METADATA, metadata] as const]
  const json = jsonOf(Object.fromEntries<unknown>([...texts, ...described]))
  const size = Math.ceil((json?.length ?? Infinity) / LENGTH_BYTES) * LENGTH_BYTES
  if (json === null || size > MAX_HEADER)
    throw refuse(`its header would be ${size} bytes long, and readers take ${MAX_HEADER}: shorten the metadata, or write several files`)
  const bytes = new Uint8Array(LENGTH_BYTES + size).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(size), true)
  bytes.set(json, LENGTH_BYTES)
  return bytes
}

/** null where the text would be longer than a string can be. */
const jsonOf = (value: unknown): Uint8Array | null => {
  try {
    return new TextEncoder().encode(JSON.stringify(value))
  } catch {
    return null
  }
}

/** Whether something is an object of names and values alone, from wherever: no list, map or instance. */
export const isPlain = (x: unknown): x is Readonly<Record<string, unknown>> => {
  if (typeof x !== 'object' || x === null) return false
  const prototype: unknown = Object.getPrototypeOf(x)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const checkTexts = (metadata: unknown, refuse: Refuse): void => {
  if (!isPlain(metadata)) throw refuse("the metadata isn't a plain object: give { key: text }, as in Object.fromEntries(map)")
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw refuse(`the metadata ${quoted(key)} is a ${typeof value}, and the format has texts alone: give String(x) or JSON.stringify(x)`)
    if (!isWellFormed(key) || !isWellFormed(value))
      throw refuse(`the metadata ${quoted(key)} has half a surrogate pair, which is no Unicode text: mend it with toWellFormed()`)
  }
}
