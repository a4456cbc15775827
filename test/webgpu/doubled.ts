/** The least that shows a device to compute: numbers up, a shader over them, numbers down. Runs in Node and in a page. */

const SHADER = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < arrayLength(&x)) { x[id.x] *= 2.0; }
}`

export const doubled = async (device: GPUDevice, values: readonly number[]): Promise<number[]> => {
  const data = Float32Array.from(values)
  const buffer = device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC }) // prettier-ignore
  const read = device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
  device.queue.writeBuffer(buffer, 0, data)
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code: SHADER }) } })
  const encoder = device.createCommandEncoder()
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }))
  pass.dispatchWorkgroups(Math.ceil(values.length / 64))
  pass.end()
  encoder.copyBufferToBuffer(buffer, 0, read, 0, data.byteLength)
  device.queue.submit([encoder.finish()])
  await read.mapAsync(GPUMapMode.READ)
  return [...new Float32Array(read.getMappedRange())]
}
