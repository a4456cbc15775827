/** What a device offers, as far as generated code depends on it. */
import { MATRICES } from './device.ts'
import type { MatrixUnit } from './wgsl/dotPlan.ts'
import type { Features } from './wgsl/shader.ts'

export const featuresOf = (device: GPUDevice): Omit<Features, 'choose'> => ({
  maxWorkgroupSize: device.limits.maxComputeInvocationsPerWorkgroup,
  maxWorkgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
  atOnce: atOnce(device),
  subgroup: (device.features.has('subgroups') && infoOf(device)?.subgroupMinSize) || 1,
  subgroupSize: subgroupSizeOf(device),
  f16: device.features.has('shader-f16'),
  matrix: matrixOf(device),
})

/** A middling GPU's, and a software adapter's, which has a processor's lanes. */
const atOnce = (device: GPUDevice): number => {
  const { architecture, vendor, description } = infoOf(device) ?? {}
  return /swiftshader|mesa|llvmpipe/i.test(`${architecture} ${vendor} ${description}`) ? 2 ** 8 : 2 ** 15
}
/** Of every subgroup; 0 where they differ, or there are none. */
const subgroupSizeOf = (device: GPUDevice): number => {
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = infoOf(device) ?? {}
  return device.features.has('subgroups') && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0
}
/** The largest product of float16 matrices with float32 sums, where all subgroups are of one size. Not in the types yet, for it is experimental. */
const matrixOf = (device: GPUDevice): MatrixUnit | null => {
  if (!device.features.has(MATRICES)) return null
  const info = infoOf(device) as (GPUAdapterInfo & { readonly subgroupMatrixConfigs?: readonly MatrixConfig[] }) | undefined
  const subgroup = subgroupSizeOf(device)
  const configs = info?.subgroupMatrixConfigs ?? []
  const fitting = configs.filter((c) => c.componentType === 'f16' && c.resultComponentType === 'f32' && c.N % 2 === 0)
  const [best] = [...fitting].sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)
  if (best === undefined || subgroup === 0) return null
  return { m: best.M, n: best.N, k: best.K, subgroup }
}
interface MatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}
/** Browsers of before 2025 don't tell it. */
const infoOf = (device: GPUDevice): GPUAdapterInfo | undefined => device.adapterInfo
