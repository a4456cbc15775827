/**
 * The oracle: every program interpreted by plain loops, sums in float64. Buffers of the arena don't share memory
 * here, so a mistake in a memory plan shows as a difference from the other backends.
 */
import { callHost } from '../../src/core/callbacks.ts'
import { absurd } from './absurd.ts'
import type { Backend, Executable, Storage } from '../../src/core/backend.ts'
import { DeviceError } from '../../src/core/errors.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import { type Buffer, launchesIn, type Program, type Step } from '../../src/core/program.ts'
import { refuseBeyondReach } from '../../src/core/reach.ts'
import { attention, attentionGrad } from './attention.ts'
import { dot, nest, type Run } from './nest.ts'
import { cumulative, scatter, sort } from './order.ts'

export interface ReferenceStorage extends Storage {
  /** The contents; throws once freed. */
  readonly bytes: () => ArrayBuffer
}

/** A fresh backend with its own count of bytes. */
export const reference = (): Backend<ReferenceStorage> => {
  let inUse = 0
  const allocate = (byteLength: number): ReferenceStorage => {
    let bytes: ArrayBuffer | null = allocated(byteLength)
    inUse += byteLength
    return {
      byteLength,
      bytes: () => {
        if (bytes === null) throw new Error('internal: storage read after free')
        return bytes
      },
      free: () => {
        if (bytes !== null) inUse -= byteLength
        bytes = null
      },
    }
  }
  const readSync = (storage: ReferenceStorage, dtype: DType, size: number): TypedArray =>
    view(storage.bytes(), dtype).slice(0, (size * byteWidth[dtype]) / typedArrayOf(dtype).BYTES_PER_ELEMENT)
  return {
    name: 'reference',
    dtypes: ['float16', 'bfloat16', 'float32', 'float64', 'int32', 'uint32', 'bool', 'key'],
    upload: (dtype, data) => {
      const storage = allocate(data.length * typedArrayOf(dtype).BYTES_PER_ELEMENT)
      view(storage.bytes(), dtype).set(data)
      return storage
    },
    readSync,
    read: async (storage, dtype, size) => readSync(storage, dtype, size),
    compile: (program) => {
      refuseBeyondReach(program, { device: 'reference', innerAsOne: false })
      return interpret(program, allocate)
    },
    bytesInUse: () => inUse,
  }
}

/** What a kernel computes is in a list before it is written, and a list of V8's holds 2^27 numbers. */
const MOST_BYTES = 2 ** 29
const allocated = (byteLength: number): ArrayBuffer => {
  if (byteLength >= MOST_BYTES)
    throw new DeviceError(`reference: ${byteLength} bytes asked for, and its arrays have less than ${MOST_BYTES}: use wasm`)
  try {
    return new ArrayBuffer(byteLength)
  } catch {
    throw new DeviceError(`reference: out of memory: ${byteLength} bytes asked for`)
  }
}

/** The words of `dtype` in `bytes`. */
const view = (bytes: ArrayBuffer, dtype: DType): TypedArray => {
  const words = typedArrayOf(dtype)
  return new words(bytes, 0, Math.floor(bytes.byteLength / words.BYTES_PER_ELEMENT))
}

const prepare = (kernel: Kernel): Run => {
  switch (kernel.kind) {
    case 'nest':
      return nest(kernel)
    case 'dot':
      return dot(kernel)
    case 'attention':
      return attention(kernel)
    case 'attentionGrad':
      return attentionGrad(kernel)
    case 'cumulative':
      return cumulative(kernel)
    case 'sort':
      return sort(kernel)
    case 'scatter':
      return scatter(kernel)
    case 'hostCall':
      return (views) => callHost(kernel, views)
    default:
      return absurd(kernel)
  }
}

/** What a step does, given the memory of every buffer (a slice's is that of what it is a part of) and the trip of every loop around. */
type RunStep = (memory: readonly ArrayBuffer[], trips: Map<number, number>) => void

/** Where a slice begins in its memory, in bytes. */
const startOf = (buffers: readonly Buffer[], id: number, trips: ReadonlyMap<number, number>): number => {
  const { place, dtype } = buffers[id]!
  if (place.kind !== 'slice') return 0
  return startOf(buffers, place.of, trips) + (place.start + place.step * trips.get(place.counter)!) * byteWidth[dtype]
}

const prepareSteps = (steps: readonly Step[], buffers: readonly Buffer[]): RunStep => {
  const prepared = steps.map((step) => prepareStep(step, buffers))
  return (memory, trips) => {
    for (const run of prepared) run(memory, trips)
  }
}

const prepareStep = (step: Step, all: readonly Buffer[]): RunStep => {
  switch (step.kind) {
    case 'launch': {
      const { kernel, segments } = step
      const run = prepare(kernel)
      return (memory, trips) => {
        for (const { buffers, extent } of segments)
          run(
            buffers.map((buffer, arg) => {
              const whole = view(memory[buffer]!, kernel.args[arg]!)
              if (all[buffer]!.place.kind !== 'slice') return whole
              const start = startOf(all, buffer, trips) / whole.BYTES_PER_ELEMENT
              return whole.subarray(start, start + (all[buffer]!.size * byteWidth[all[buffer]!.dtype]) / whole.BYTES_PER_ELEMENT)
            }),
            extent,
          )
      }
    }
    case 'loop': {
      const [cond, body] = [prepareSteps(step.cond, all), prepareSteps(step.body, all)]
      return (memory, trips) => {
        for (cond(memory, trips); view(memory[step.test]!, 'bool')[0] !== 0; cond(memory, trips)) body(memory, trips)
      }
    }
    case 'repeat': {
      const body = prepareSteps(step.body, all)
      return (memory, trips) => {
        for (let i = 0; i < step.trips; i++) body(memory, trips.set(step.counter, i))
      }
    }
    case 'branch': {
      const branches = step.branches.map((steps) => prepareSteps(steps, all))
      return (memory, trips) => {
        // As unsigned, so that a negative index selects the last one too.
        const index = view(memory[step.index]!, 'uint32')[0]!
        branches[Math.min(index, branches.length - 1)]!(memory, trips)
      }
    }
    default:
      return absurd(step)
  }
}

const interpret = (program: Program, allocate: (byteLength: number) => ReferenceStorage): Executable<ReferenceStorage> => {
  const { buffers } = program
  const run = prepareSteps(program.steps, buffers)
  const bytesOf = (buffer: number): number => {
    const { dtype, size } = program.buffers[buffer]!
    return size * byteWidth[dtype]
  }
  return {
    run: (inputs) => {
      const results = program.outputs.map((buffer) => {
        const { place } = program.buffers[buffer]!
        return place.kind === 'input' ? inputs[place.index]! : allocate(bytesOf(buffer))
      })
      const memory: ArrayBuffer[] = []
      const memoryOf = (buffer: number): ArrayBuffer => (memory[buffer] ??= made(buffer))
      const made = (buffer: number): ArrayBuffer => {
        const { place } = buffers[buffer]!
        switch (place.kind) {
          case 'input':
            return inputs[place.index]!.bytes()
          case 'output':
            return results[place.index]!.bytes()
          case 'arena':
            return allocated(bytesOf(buffer))
          case 'slice':
            return memoryOf(place.of)
          default:
            return absurd<ArrayBuffer>(place)
        }
      }
      buffers.forEach((_, buffer) => memoryOf(buffer))
      run(memory, new Map())
      return results
    },
    source: () => launchesIn(program.steps).map(({ kernel }) => `interpreted ${kernel.kind}(${kernel.args.join(', ')})`),
  }
}
