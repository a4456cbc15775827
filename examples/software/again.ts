/** A program once more, in a process that finds SwiftShader: WebGPU where there is no GPU, slow and said aloud. */
import { spawn } from 'node:child_process'
import { exitCodeOf } from '../train/signals.ts'
import { swiftshader } from './swiftshader.ts'

const CHILD = 'COTANGENT_ON_SOFTWARE'

// A child ends when its parent does, however that ends.
if (process.env[CHILD] !== undefined && process.channel !== undefined) {
  process.once('disconnect', () => process.exit(1))
  process.channel?.unref()
}

/** Runs this process's command with a software device to be found, and resolves to its exit code; null where npm has none, or this is that run. */
export const again = async (onStart: () => void): Promise<number | null> => {
  const found = swiftshader()
  if (process.env[CHILD] !== undefined || !('env' in found)) return null
  onStart()
  // A process group of its own: signals go to it by way of this process, and once.
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, ...found.env, [CHILD]: '1' },
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? exitCodeOf(signal!)))
  })
}
