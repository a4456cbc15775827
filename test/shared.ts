/** Data that may lie beside the project: what needs them says so when they don't. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../shared/data/', import.meta.url))
export const sharedData = (name: string): string | null => {
  const path = folder + name
  if (existsSync(path)) return path
  console.warn(`skipped: ${name} isn't there`)
  return null
}
