/**
 * The oracle: every program interpreted by plain loops, sums in float64. Buffers of the arena don't share memory
 * here, so a mistake in a memory plan shows as a difference from the other backends.
 */
import { absurd } from './absurd.ts'
import type { Backend, Executable, Storage } from '../../src/core/backend.ts'
import { byteWidth, type DType, type TypedArray, typedArrayOf } from '../../src/core/dtype.ts'
import type { Kernel } from '../../src/core/kernel.ts'
import type { Program, Step } from '../../src/core/program.ts'
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
    let bytes: ArrayBuffer | null = new ArrayBuffer(byteLength)
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
    compile: (program) => interpret(program, allocate),
    bytesInUse: () => inUse,
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
    default:
      return absurd(kernel)
  }
}

/** What a step does, given the memory of every buffer. */
type RunStep = (memory: readonly ArrayBuffer[]) => void

const prepareSteps = (steps: readonly Step[]): RunStep => {
  const prepared = steps.map(prepareStep)
  return (memory) => {
    for (const run of prepared) run(memory)
  }
}

const prepareStep = (step: Step): RunStep => {
  switch (step.kind) {
    case 'launch': {
      const { kernel, segments } = step
      const run = prepare(kernel)
      return (memory) => {
        for (const { buffers, extent } of segments)
          run(
            buffers.map((buffer, arg) => view(memory[buffer]!, kernel.args[arg]!)),
            extent,
          )
      }
    }
    case 'loop': {
      const [cond, body] = [prepareSteps(step.cond), prepareSteps(step.body)]
      return (memory) => {
        for (cond(memory); view(memory[step.test]!, 'bool')[0] !== 0; cond(memory)) body(memory)
      }
    }
    case 'branch': {
      const branches = step.branches.map(prepareSteps)
      return (memory) => {
        // As unsigned, so that a negative index selects the last one too.
        const index = view(memory[step.index]!, 'uint32')[0]!
        branches[Math.min(index, branches.length - 1)]!(memory)
      }
    }
    default:
      return absurd(step)
  }
}

const interpret = (program: Program, allocate: (byteLength: number) => ReferenceStorage): Executable<ReferenceStorage> => {
  const run = prepareSteps(program.steps)
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
      const memory = program.buffers.map(({ place }, buffer) => {
        switch (place.kind) {
          case 'input':
            return inputs[place.index]!.bytes()
          case 'output':
            return results[place.index]!.bytes()
          case 'arena':
            return new ArrayBuffer(bytesOf(buffer))
          default:
            return absurd<ArrayBuffer>(place)
        }
      })
      run(memory)
      return results
    },
    source: () => kernelsOf(program.steps).map((kernel) => `interpreted ${kernel.kind}(${kernel.args.join(', ')})`),
  }
}

const kernelsOf = (steps: readonly Step[]): readonly Kernel[] =>
  steps.flatMap((step) => {
    switch (step.kind) {
      case 'launch':
        return [step.kernel]
      case 'loop':
        return [...kernelsOf(step.cond), ...kernelsOf(step.body)]
      case 'branch':
        return step.branches.flatMap(kernelsOf)
      default:
        return absurd<Kernel[]>(step)
    }
  })
