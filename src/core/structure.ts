/** A kernel's exact structure as text: equal texts are equal code. Nodes met again are named by their number. */
import type { Kernel } from './kernel.ts'
import { Ref } from './ref.ts'

export const structure = (kernel: Kernel): string => {
  const numbers = new Map<object, number>()
  let text = ''
  const write = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) {
      text += `${Object.is(value, -0) ? '-0' : String(value)} `
      return
    }
    if (value instanceof Ref) {
      text += `@${value.id} `
      return
    }
    const known = numbers.get(value)
    if (known !== undefined) {
      text += `#${known} `
      return
    }
    numbers.set(value, numbers.size)
    if (Array.isArray(value)) {
      text += '['
      for (const item of value) write(item)
    } else
      for (const [name, item] of Object.entries(value)) {
        text += `${name}:`
        write(item)
      }
    text += ']'
  }
  // a nest's first extent is the launch's
  write(kernel.kind === 'nest' ? { ...kernel, dims: kernel.dims.with(0, 0) } : kernel)
  return text
}
