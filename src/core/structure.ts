/** A kernel's exact structure as text: equal texts are equal code. Nodes met again are named by their number. */
import type { Kernel } from './kernel.ts'

export const structure = (kernel: Kernel): string => {
  const numbers = new Map<object, number>()
  const parts: string[] = []
  const write = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) {
      parts.push(Object.is(value, -0) ? '-0' : String(value), ' ')
      return
    }
    const known = numbers.get(value)
    if (known !== undefined) {
      parts.push('#', String(known), ' ')
      return
    }
    numbers.set(value, numbers.size)
    if (Array.isArray(value)) {
      parts.push('[')
      for (const item of value) write(item)
      parts.push(']')
      return
    }
    parts.push('{')
    for (const [name, item] of Object.entries(value)) {
      parts.push(name, ':')
      write(item)
    }
    parts.push('}')
  }
  // a nest's first extent is the launch's
  write(kernel.kind === 'nest' ? { ...kernel, dims: kernel.dims.with(0, 0) } : kernel)
  return parts.join('')
}
