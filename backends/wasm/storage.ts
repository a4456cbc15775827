/**
 * Arrays in the heap, as a cache. Under pressure all arrays that the current run doesn't use move to ArrayBuffers,
 * which the collector frees even inside a synchronous loop, and the heap forgets them; they come back on their next use.
 */
import type { Storage } from '../../src/core/backend.ts'
import { DeviceError } from '../../src/core/errors.ts'
import { Heap } from './heap.ts'

/**
 * The heap holds cells of resident arrays only, and a finalizer holds a token that leads to the cell only while it is resident: once moved, a
 * cell (and its ArrayBuffer) lives as long as the storage that the user's array holds.
 */
interface Cell {
  byteLength: number
  token: Token
  /** 0: not resident. */
  at: number
  host: Uint8Array | null
  /** The run that used it last. */
  used: number
}

interface Token {
  cell: Cell | null
  /** Its bytes outside the heap. */
  away: number
  readonly generation: Generation
}

/**
 * The arrays that one registry tells of when nobody holds them any more. It tells between tasks only, and keeps 150 bytes of each until then,
 * with which a loop that never yields would fill memory. So a registry of many is dropped when arrays move out; the bytes of its generation
 * then count until none of it is held.
 */
interface Generation {
  readonly away: { bytes: number }
}
const newGeneration = (): Generation => ({ away: { bytes: 0 } })
/** Of a storage that no registry knows yet. */
const NOWHERE: Token = { cell: null, away: 0, generation: newGeneration() }
/** Arrays that are many for a registry. */
const MANY = 16_384

/** Resident bytes before arrays move out; doubles where most of what moved came back. */
const SOFT_LIMIT = 128 << 20
/** What a resident array costs beside its bytes: JavaScript objects that the heap keeps alive. */
const OVERHEAD = 1024

export class WasmStorage implements Storage {
  readonly cell: Cell
  private readonly residency: Residency

  constructor(residency: Residency, cell: Cell) {
    this.residency = residency
    this.cell = cell
  }

  get byteLength(): number {
    return this.cell.byteLength
  }

  free(): void {
    this.residency.release(this.cell)
    this.residency.spare.push(this)
  }
}

export class Residency {
  readonly heap: Heap
  private readonly resident = new Set<Cell>()
  private generation = newGeneration()
  private collected = this.registry()
  /** Tells that nothing of a former generation is held. */
  private readonly vanished = new FinalizationRegistry<Generation['away']>(({ bytes }) => void (this.away -= bytes))
  /** Arrays that `collected` has to tell of. */
  private watched = 0
  /** Freed by those who had them, and known to the collector: a new array takes one over, since telling it of another costs most of a small array. */
  readonly spare: WasmStorage[] = []
  private run = 0
  private waiting = false
  /** Bytes in use by the current run. */
  private runBytes = 0
  /** Bytes of arrays in the heap now. */
  bytes = 0
  /** Bytes of arrays outside the heap, as far as the collector has told. */
  away = 0
  private limit: number
  /** Bytes that came back since arrays last moved out. */
  private returned = 0

  constructor(heap: Heap, limit = SOFT_LIMIT) {
    this.heap = heap
    this.limit = limit
  }

  /** Starts a run: what is used or made from here on stays until the next. */
  begin(): void {
    if (this.waiting)
      throw new DeviceError(
        'the wasm device waits for this callback, and can run nothing meanwhile: compute with JavaScript on x.toTyped() or x.toArray(), or in the program itself',
      )
    this.run++
    this.runBytes = 0
  }

  /** Does f in the middle of a run: nothing else may begin meanwhile, since what runs relies on where its memory is. */
  hold(f: () => void): void {
    this.waiting = true
    try {
      f()
    } finally {
      this.waiting = false
    }
  }

  /** A new array, contents undefined. */
  create(byteLength: number): WasmStorage {
    const storage = this.unplaced(byteLength)
    storage.cell.used = this.run
    this.admit(storage)
    return storage
  }

  /** A new array of these bytes, which stay where they are until it is used. */
  keep(host: Uint8Array): WasmStorage {
    const storage = this.unplaced(host.byteLength)
    const { cell } = storage
    cell.host = host
    this.watch(storage)
    cell.token.cell = null
    this.count(cell.token, host.byteLength)
    return storage
  }

  private unplaced(byteLength: number): WasmStorage {
    const storage = this.spare.pop() ?? new WasmStorage(this, { byteLength, token: NOWHERE, at: 0, host: null, used: 0 })
    storage.cell.byteLength = byteLength
    return storage
  }

  /** The address of an array's bytes, which come back to the heap if they had left. */
  address(storage: WasmStorage): number {
    const { cell } = storage
    if (cell.used !== this.run) {
      cell.used = this.run
      this.runBytes += cell.byteLength
    }
    if (cell.at !== 0) {
      this.watch(storage)
      return cell.at
    }
    const { host, token } = cell
    if (host === null) throw new Error('internal: a freed array')
    this.admit(storage)
    this.count(token, 0)
    this.heap.bytes.set(host, cell.at)
    cell.host = null
    this.returned += cell.byteLength
    return cell.at
  }

  /** The bytes, wherever they are; not copied. */
  view({ cell }: WasmStorage): Uint8Array {
    if (cell.at !== 0) return this.heap.bytes.subarray(cell.at, cell.at + cell.byteLength)
    if (cell.host === null) throw new Error('internal: a freed array')
    return cell.host
  }

  release(cell: Cell): void {
    if (cell.at !== 0) this.forget(cell)
    else this.count(cell.token, 0)
    cell.host = null
  }

  /** A block that isn't an array: an arena, a table. */
  block(bytes: number): number {
    const size = Heap.blockSize(bytes)
    return this.heap.allocate(size) || this.squeeze(size)
  }

  private registry(): FinalizationRegistry<Token> {
    this.watched = 0
    return new FinalizationRegistry((token) => {
      this.watched--
      if (token.cell !== null) this.release(token.cell)
      else this.count(token, 0)
    })
  }

  /** Has the collector tell of an array in the heap, unless it was told to in this generation. */
  private watch(storage: WasmStorage): void {
    const { cell } = storage
    if (cell.token.generation === this.generation) return
    cell.token = { cell, away: 0, generation: this.generation }
    this.collected.register(storage, cell.token)
    this.watched++
  }

  /** Counts an array's bytes outside the heap. */
  private count(token: Token, bytes: number): void {
    const more = bytes - token.away
    token.away = bytes
    token.generation.away.bytes += more
    this.away += more
  }

  private admit(storage: WasmStorage): void {
    const { cell } = storage
    const size = Heap.blockSize(cell.byteLength)
    if (this.bytes + size + OVERHEAD * this.resident.size > this.limit) this.moveOut()
    cell.at = this.heap.allocate(size) || this.squeeze(size)
    this.watch(storage)
    cell.token.cell = cell
    this.resident.add(cell)
    this.bytes += cell.byteLength
  }

  private squeeze(size: number): number {
    this.moveOut()
    const at = this.heap.allocate(size)
    if (at === 0) throw new DeviceError(`wasm: out of memory: ${size} bytes asked for, ${this.bytes} in use by arrays`)
    return at
  }

  private forget(cell: Cell): void {
    this.heap.release(cell.at, Heap.blockSize(cell.byteLength))
    this.bytes -= cell.byteLength
    cell.at = 0
    cell.token.cell = null
    this.resident.delete(cell)
  }

  private moveOut(): void {
    if (this.returned > this.limit / 2) this.limit *= 2
    this.limit = Math.max(this.limit, 3 * this.runBytes)
    this.returned = 0
    for (const cell of this.resident) {
      if (cell.used === this.run) continue
      cell.host = new Uint8Array(cell.byteLength) // and set: twice as fast as slice
      cell.host.set(this.heap.bytes.subarray(cell.at, cell.at + cell.byteLength))
      this.forget(cell)
      this.count(cell.token, cell.byteLength)
    }
    if (this.watched < MANY) return
    this.vanished.register(this.generation, this.generation.away)
    this.generation = newGeneration()
    this.collected = this.registry()
  }
}
