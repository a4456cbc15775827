import { configDefaults, defineConfig } from 'vitest/config'
import type { Effort } from './test/effort.ts'
import { adapter } from './test/webgpu/adapter.ts'

// Workers are processes that start with this environment: the Vulkan loader finds the software device in it.
const device = adapter()
if ('env' in device) Object.assign(process.env, device.env)

const efforts: Readonly<Record<string, Effort>> = { quick: 'quick', test: 'normal', nightly: 'nightly' }
/** What starts browsers, Deno, npm or the training job, or asks for a GPU, or fills memory, or takes many seconds; and what only the night has time for. */
const slow = [
  'test/webgpu/**',
  'test/memory/**',
  'test/examples/{chat,train}.test.ts',
  'test/lax/untaken.test.ts',
  'test/models/{encoderDecoders,speculative}.test.ts',
  'test/hub/{browser,forced,stories}.test.ts',
  'test/nn/torchBlocks.test.ts',
  'test/structure/{entries,package,sizes}.test.ts',
]
const slowest = ['test/nightly/**']
const excluded: Readonly<Record<Effort, readonly string[]>> = { quick: [...slow, ...slowest], normal: slowest, nightly: [] }
const MINUTE = 60_000

/** `--mode` says how hard to try: see test/effort.ts. */
export default defineConfig(({ mode }) => {
  const effort = efforts[mode]
  if (effort === undefined) throw new Error(`--mode ${mode}: quick or nightly is needed, or none`)
  // For what hangs: no test takes a tenth of it.
  const limit = effort === 'nightly' ? 120 * MINUTE : 30 * MINUTE
  return {
    test: {
      include: ['test/**/*.test.ts'],
      exclude: [...configDefaults.exclude, ...excluded[effort]],
      globalSetup: effort === 'quick' ? [] : ['test/structure/build.ts'],
      setupFiles: ['test/setup.ts'],
      provide: { effort },
      testTimeout: limit,
      hookTimeout: limit,
      pool: 'forks',
      // A file in a process of its own sees no other's state, and imports everything again: half of the minute.
      isolate: effort !== 'quick',
      maxWorkers: 2,
    },
  }
})
