/**
 * A Vulkan device in software, from npm alone: SwiftShader and the Vulkan loader as @sparticuz/chromium ships them. The loader reads
 * LD_LIBRARY_PATH when a process starts, so this environment is for processes that are started: those that tests run in (vitest.config.ts), and
 * that of a run on a machine without a GPU (again.ts).
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cached } from './archive.ts'

export type Adapter = { readonly env: Readonly<Record<string, string>> } | { readonly missing: string }

/** Where npm has a device and a browser. */
export const supported = process.platform === 'linux' && process.arch === 'x64'

/** What a process needs in its environment to find the software device. */
export const swiftshader = (): Adapter => {
  if (!supported) return { missing: `npm has no software WebGPU device for ${process.platform} ${process.arch}` }
  try {
    return { env: environment(cached('swiftshader', ['swiftshader'])) }
  } catch (reason) {
    return { missing: `SwiftShader can't be unpacked: ${String(reason)}` }
  }
}

const environment = (folder: string): Record<string, string> => {
  const manifest = join(folder, 'vk_swiftshader_icd.json')
  const paths = [folder, ...(process.env['LD_LIBRARY_PATH'] ?? '').split(':')].filter((path) => path !== '')
  return {
    LD_LIBRARY_PATH: [...new Set(paths)].join(':'),
    VK_ICD_FILENAMES: manifest, // loaders before 1.3.207 know this name only
    VK_DRIVER_FILES: manifest,
    XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
  }
}
