// Runs in a page before anything else: counts what any library asks of WebGPU, by its prototypes. `counted()` gives it and begins anew.
;(() => {
  const none = () => ({ dispatches: 0, submits: 0, passes: 0, bytes: 0, copied: 0, written: 0 })
  let counts = none()
  globalThis.counted = () => {
    const since = counts
    counts = none()
    return since
  }
  /** Bytes that a bind group's storage buffers bind, each buffer once. */
  const bound = new WeakMap()
  const groups = new WeakMap()
  const around = (type, name, before) => {
    const own = type.prototype[name]
    type.prototype[name] = function (...args) {
      const made = own.apply(this, args)
      before.call(this, made, ...args)
      return made
    }
  }
  around(GPUDevice, 'createBindGroup', (group, { entries }) => {
    const buffers = entries.flatMap(({ resource }) => {
      const { buffer, offset = 0, size = buffer && buffer.size - offset } = resource instanceof GPUBuffer ? { buffer: resource } : resource
      return buffer instanceof GPUBuffer && buffer.usage & GPUBufferUsage.STORAGE ? [size] : []
    })
    bound.set(
      group,
      buffers.reduce((a, b) => a + b, 0),
    )
  })
  around(GPUCommandEncoder, 'beginComputePass', (pass) => {
    counts.passes++
    groups.set(pass, [])
  })
  around(GPUComputePassEncoder, 'setBindGroup', function (_, index, group) {
    groups.get(this)[index] = group
  })
  const dispatched = function () {
    counts.dispatches++
    for (const group of groups.get(this)) if (group) counts.bytes += bound.get(group)
  }
  around(GPUComputePassEncoder, 'dispatchWorkgroups', dispatched)
  around(GPUComputePassEncoder, 'dispatchWorkgroupsIndirect', dispatched)
  around(GPUQueue, 'submit', () => counts.submits++)
  around(GPUQueue, 'writeBuffer', (_, buffer, offset, data, from = 0, size = undefined) => {
    const width = data.BYTES_PER_ELEMENT ?? 1
    counts.written += size === undefined ? data.byteLength - from * width : size * width
  })
  around(GPUCommandEncoder, 'copyBufferToBuffer', (_, from, a, to, b, size) => {
    counts.copied += typeof a === 'number' ? (size ?? from.size) : (to ?? from.size)
  })
})()
