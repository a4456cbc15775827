/** What a device offers: memory, and programs compiled to something that runs. Arrays and transforms know no more of it. */
import type { DType, TypedArray } from './dtype.ts'
import type { Program } from './program.ts'

/** An array's bytes on a device. Offsets let many arrays share one slab. */
export interface Storage {
  readonly byteLength: number
  /** Gives the memory back, once: reading or running with it afterwards, or freeing it again, is a bug of the caller's. */
  free(): void
}

export interface Executable<S extends Storage = Storage> {
  /**
   * Runs synchronously (the results may be pending on an asynchronous device). A result that took over a donated input's memory
   * is returned as that input's storage.
   */
  run(inputs: readonly S[]): S[]
  /** Resolves once all its code is compiled, where a device compiles apart: a first run waits for nothing then. */
  ready?(): Promise<void>
  /** Of its code, where it has any of its own. */
  readonly bytes?: number
  /** Readable generated code, one text a function, for `explain`. */
  source(): readonly string[]
}

/** One run of a kernel: when it began, on the device's own clock, and how long it took, in milliseconds. */
export interface KernelTime {
  readonly name: string
  readonly start: number
  readonly ms: number
}

export interface Backend<S extends Storage = Storage> {
  readonly name: string
  /** dtypes it can hold; others are refused with an error that says which device can. */
  readonly dtypes: readonly DType[]
  upload(dtype: DType, data: TypedArray): S
  /** The same, where nobody else has the data: the device may keep them as they are. Absent where it can't. */
  adopt?(dtype: DType, data: TypedArray): S
  /** A copy of the contents. Throws where the device can only be read asynchronously. */
  readSync(storage: S, dtype: DType, size: number): TypedArray
  read(storage: S, dtype: DType, size: number): Promise<TypedArray>
  compile(program: Program): Executable<S>
  /** Bytes that live arrays hold on the device now. */
  bytesInUse(): number
  /** A launch costs more than computing a row of numbers again: fusion goes further for it. */
  readonly launchesAreDear?: boolean
  /** Whether it is gone, and all arrays with it; absent where that can't be. */
  lost?(): boolean
  /** Times every kernel from now until `stop`; absent where a device can't. */
  profile?(): { stop(): Promise<readonly KernelTime[]> }
}
