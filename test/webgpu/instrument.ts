/** A device that counts what is asked of it: creations, submits, passes, dispatches, bytes copied back. */

export interface Counts {
  /** By method: createBuffer, createBindGroup, createShaderModule… */
  readonly created: Record<string, number>
  submits: number
  passes: number
  dispatches: number
  /** What passes are told: pipelines, bind groups and dispatches. Each costs about as much CPU as the others. */
  calls: number
  writes: number
  /** Copies to buffers that the host reads. */
  reads: number
  readonly pipelines: Set<unknown>
  /** The most storage buffers that a dispatch was given. */
  storageBuffers: number
}
export const noCounts = (): Counts => ({
  created: {},
  submits: 0,
  passes: 0,
  dispatches: 0,
  calls: 0,
  writes: 0,
  reads: 0,
  pipelines: new Set(),
  storageBuffers: 0,
})

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>

/** The same object, but for some properties; all other methods are called on the object itself. */
export const wrapped = <T extends object>(object: T, own: Readonly<Record<string, unknown>>): T =>
  new Proxy(object, {
    get: (target, name) => {
      if (typeof name === 'string' && name in own) return own[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })

/** `counts()` gives what was counted since it was asked last. */
export const instrument = (device: GPUDevice): { readonly device: GPUDevice; readonly counts: () => Counts } => {
  let counts = noCounts()
  const buffersOf = new WeakMap<object, number>()
  const creating = (name: string, after: (made: object, descriptor: never) => object = (made) => made): Methods => ({
    [name]: (descriptor: never) => {
      counts.created[name] = (counts.created[name] ?? 0) + 1
      const create = device[name as 'createBuffer'] as (descriptor: never) => object
      return after(create.call(device, descriptor), descriptor)
    },
  })
  const passOf = (pass: GPUComputePassEncoder): GPUComputePassEncoder =>
    wrapped(pass, {
      setPipeline: (pipeline: never) => {
        counts.calls++
        counts.pipelines.add(pipeline)
        pass.setPipeline(pipeline)
      },
      setBindGroup: (index: never, group: never, offsets?: never) => {
        counts.calls++
        counts.storageBuffers = Math.max(counts.storageBuffers, buffersOf.get(group) ?? 0)
        if (offsets === undefined) pass.setBindGroup(index, group)
        else pass.setBindGroup(index, group, offsets)
      },
      dispatchWorkgroups: (x: never, y: never, z: never) => {
        counts.calls++
        counts.dispatches++
        pass.dispatchWorkgroups(x, y, z)
      },
    })
  const encoderOf = (encoder: GPUCommandEncoder): GPUCommandEncoder =>
    wrapped(encoder, {
      beginComputePass: () => {
        counts.passes++
        return passOf(encoder.beginComputePass())
      },
      copyBufferToBuffer: (...args: never[]) => {
        counts.reads++
        ;(encoder.copyBufferToBuffer as (...args: never[]) => void).apply(encoder, args)
      },
    })
  const queue = wrapped(device.queue, {
    submit: (commands: never) => {
      counts.submits++
      device.queue.submit(commands)
    },
    writeBuffer: (...args: never[]) => {
      counts.writes++
      ;(device.queue.writeBuffer as (...args: never[]) => void).apply(device.queue, args)
    },
  })
  const own = {
    ...['createBuffer', 'createShaderModule', 'createComputePipeline', 'createComputePipelineAsync', 'createBindGroupLayout', 'createPipelineLayout', 'createQuerySet'] // prettier-ignore
      .reduce<Methods>((all, name) => ({ ...all, ...creating(name) }), {}),
    ...creating('createBindGroup', (made, { entries }: { readonly entries: readonly { readonly binding: number }[] }) => {
      buffersOf.set(made, entries.length)
      return made
    }),
    ...creating('createCommandEncoder', (made) => encoderOf(made as GPUCommandEncoder)),
  }
  const proxy = new Proxy(device, {
    get: (target, name) => {
      if (name === 'queue') return queue
      if (typeof name === 'string' && name in own) return (own as Methods)[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
  return {
    device: proxy,
    counts: () => {
      const since = counts
      counts = noCounts()
      return since
    },
  }
}
