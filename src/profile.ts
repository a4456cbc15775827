/** Where a device's time goes. */
import type { KernelTime } from './core/backend.ts'
import { DeviceError } from './core/errors.ts'
import { runtime } from './core/runtime.ts'
import { promised, takes } from './core/takes.ts'

/** All runs of one kernel. */
export interface ProfiledKernel {
  readonly name: string
  readonly runs: number
  /** Milliseconds of all its runs. */
  readonly ms: number
}

export interface Profile {
  /** By time, the longest first. */
  readonly kernels: readonly ProfiledKernel[]
  /** Every run in order. */
  readonly runs: readonly KernelTime[]
  /** A file that chrome://tracing and Perfetto open, as JSON. */
  trace(): string
  /** A table. */
  toString(): string
}

/**
 * Times every kernel that runs until f's result is there: on webgpu, `String(await profile(() => step(x).data()))` is a table, and its `trace()` a
 * file for chrome://tracing.
 *
 * @example await profile(() => np.ones([3]).data()).catch((error) => error.name) // 'DeviceError'
 * @throws DeviceError (a rejection) where the device times no kernels: wasm, reference, and adapters without timestamp-query
 */
export const profile = /* @__PURE__ */ promised(
  takes('profile', 1, async (f: () => unknown): Promise<Profile> => {
    const device = runtime.device.current()
    if (device.profile === undefined)
      throw new DeviceError(
        `profile: ${device.name} times no kernels here: choose webgpu on an adapter with the feature timestamp-query, which devices() lists`,
      )
    const running = device.profile()
    let runs: readonly KernelTime[] = []
    try {
      await f()
    } finally {
      runs = await running.stop()
    }
    return profileOf(runs)
  }),
)

const profileOf = (runs: readonly KernelTime[]): Profile => {
  const totals = new Map<string, ProfiledKernel>()
  for (const { name, ms } of runs) {
    const { runs: n, ms: before } = totals.get(name) ?? { runs: 0, ms: 0 }
    totals.set(name, { name, runs: n + 1, ms: before + ms })
  }
  const kernels = [...totals.values()].sort((a, b) => b.ms - a.ms)
  const total = kernels.reduce((sum, { ms }) => sum + ms, 0)
  const row = (name: string, n: number, ms: number): string =>
    `${name.padEnd(40)}${String(n).padStart(8)}${ms.toFixed(3).padStart(12)}${`${((100 * ms) / (total || 1)).toFixed(1)}%`.padStart(8)}`
  return {
    kernels,
    runs,
    trace: () => {
      const begin = Math.min(...runs.map(({ start }) => start))
      const events = runs.map(({ name, start, ms }) => ({ name, ph: 'X', pid: 0, tid: 0, ts: 1000 * (start - begin), dur: 1000 * ms }))
      return JSON.stringify({ traceEvents: events, displayTimeUnit: 'ms' })
    },
    toString: () =>
      [
        `${'kernel'.padEnd(40)}${'runs'.padStart(8)}${'ms'.padStart(12)}${'share'.padStart(8)}`,
        ...kernels.map(({ name, runs: n, ms }) => row(name, n, ms)),
        row('all', runs.length, total),
      ].join('\n'),
  }
}
