import { defineConfig } from 'vitest/config'
import { adapter } from './test/webgpu/adapter.ts'

// Workers are processes that start with this environment: the Vulkan loader finds the software device in it.
const device = adapter()
if ('env' in device) Object.assign(process.env, device.env)

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/structure/build.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
