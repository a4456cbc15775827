/** A program once more, in a process that finds SwiftShader: WebGPU where there is no GPU, slow and said aloud. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { devices } from '../../src/index.ts'
import { adapter } from './swiftshader.ts'

const CHILD = 'COTANGENT_ON_SOFTWARE'

/** A child ends when its parent does, however that ends. */
if (process.env[CHILD] !== undefined && process.channel !== undefined) {
  process.once('disconnect', () => process.exit(1))
  process.channel?.unref()
}

/** Whether WebGPU has no device in this process but would have one in software. */
export const needsSoftware = async (): Promise<boolean> => {
  if (process.env[CHILD] !== undefined) return false
  const found = (await devices()).find(({ device }) => device === 'webgpu')
  return found?.reason !== undefined && 'env' in adapter()
}

/** Runs this process's command on the software device; resolves to its exit code. Signals go to it, and to it alone. */
export const again = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const found = adapter()
    const env = { ...process.env, ...('env' in found ? found.env : {}), [CHILD]: '1' }
    const options = { env, detached: true, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] as const }
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { ...options, stdio: [...options.stdio] })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  })
