/** A module for a browser: TypeScript that may import from this folder on and from packages, as one file. */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const bundle = async (contents: string): Promise<string> => {
  const resolveDir = fileURLToPath(new URL('.', import.meta.url))
  const options = { bundle: true, write: false, format: 'esm', platform: 'browser', target: 'es2022', logLevel: 'silent' } as const
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir, loader: 'ts' } })
  return outputFiles[0]!.text
}
