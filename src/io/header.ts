/**
 * The header of a safetensors file: eight bytes of length, then JSON that says where each tensor's bytes lie. Nothing in it is believed:
 * every tensor must lie inside the file, and together they must cover it once.
 */
import { type Either, isLeft, left, right } from '#fp-ts/Either.js'

export type FileDType = 'F64' | 'F32' | 'F16' | 'BF16' | 'I32' | 'U32' | 'BOOL'
export const fileWidth: Readonly<Record<FileDType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I32: 4, U32: 4, BOOL: 1 }

/** A tensor's place: its bytes are [begin, end), counted from the end of the header. */
export interface Entry {
  readonly name: string
  readonly dtype: FileDType
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}
export interface Header {
  /** By place. */
  readonly entries: readonly Entry[]
  readonly metadata: Readonly<Record<string, string>>
  /** Where the tensors' bytes start. */
  readonly start: number
}
/** Why the bytes are refused: a clause to be put behind the file's name. */
export type Refusal = string

export const METADATA = '__metadata__'
const LENGTH_BYTES = 8
/** The format's own limit, against headers that are made to exhaust memory. */
const MAX_HEADER = 100_000_000

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> => typeof x === 'object' && x !== null && !Array.isArray(x)
const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0
const isDType = (x: unknown): x is FileDType => typeof x === 'string' && Object.hasOwn(fileWidth, x)

export const parseHeader = (bytes: Uint8Array): Either<Refusal, Header> => {
  if (bytes.length < LENGTH_BYTES) return left(`it has ${bytes.length} bytes, and a safetensors file starts with ${LENGTH_BYTES} of length`)
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true)
  if (length > MAX_HEADER)
    return left(`its header would be ${length} bytes long, and ${MAX_HEADER} is the limit: it is no safetensors file`)
  const start = LENGTH_BYTES + Number(length)
  if (start > bytes.length) return left(`it is truncated: its header ends at byte ${start}, and it has ${bytes.length}`)
  const json = parseJson(bytes.subarray(LENGTH_BYTES, start))
  if (isLeft(json)) return json
  const { [METADATA]: metadata = {}, ...tensors } = json.right
  if (!isRecord(metadata) || !Object.values(metadata).every((v) => typeof v === 'string'))
    return left(`the ${METADATA} in its header isn't an object of strings`)
  const entries: Entry[] = []
  for (const [name, value] of Object.entries(tensors)) {
    const entry = parseEntry(name, value)
    if (isLeft(entry)) return entry
    entries.push(entry.right)
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  const fault = coverage(entries, bytes.length - start)
  return fault === null ? right({ entries, metadata: metadata as Record<string, string>, start }) : left(fault)
}

const parseJson = (bytes: Uint8Array): Either<Refusal, Readonly<Record<string, unknown>>> => {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isRecord(value) ? right(value) : left("its header isn't a JSON object")
  } catch {
    return left("its header isn't JSON in UTF-8")
  }
}

const parseEntry = (name: string, value: unknown): Either<Refusal, Entry> => {
  const at = `tensor ${JSON.stringify(name)}`
  if (!isRecord(value)) return left(`${at} isn't described by an object`)
  const { dtype, shape, data_offsets: offsets } = value
  if (!isDType(dtype)) return left(`${at} has the dtype ${JSON.stringify(dtype)}: ${Object.keys(fileWidth).join(', ')} can be read`)
  if (!Array.isArray(shape) || !shape.every(isCount))
    return left(`${at} has the shape ${JSON.stringify(shape)}, which isn't a list of sizes`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return left(`${at} has the data_offsets ${JSON.stringify(offsets)}, which aren't two byte positions`)
  const [begin, end] = offsets as [number, number]
  const size = shape.reduce((n: number, m: number) => n * m, fileWidth[dtype])
  if (end - begin !== size) return left(`${at} takes bytes ${begin} to ${end}, and ${dtype}[${shape.join(',')}] is ${size} bytes long`)
  return right({ name, dtype, shape, begin, end })
}

/** What is wrong with the way the entries, in order, lie in `length` bytes: each must begin where the last one ended. */
const coverage = (entries: readonly Entry[], length: number): Refusal | null => {
  let reached = 0
  for (const { name, begin, end } of entries) {
    if (begin < reached) return `tensor ${JSON.stringify(name)} overlaps the one before it at byte ${begin}`
    if (begin > reached) return `no tensor covers its bytes ${reached} to ${begin}`
    reached = end
  }
  if (reached > length) return `it is truncated: its tensors end at byte ${reached} of their part, which has ${length}`
  return reached < length ? `${length - reached} bytes follow its last tensor` : null
}
