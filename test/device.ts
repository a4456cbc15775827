import { afterAll } from 'vitest'
import type { Backend } from '../src/core/backend.ts'
import { runtime } from '../src/core/runtime.ts'
import '../src/runtime.ts'

/** The device of a file's tests: files that run in one process after it have the one before. */
export const onDevice = (backend: Backend): void => {
  const before = runtime.device.current()
  runtime.device.choose(backend)
  afterAll(() => runtime.device.choose(before))
}
