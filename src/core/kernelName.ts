/** What a kernel computes, in a word and its extents: `dot 768x384x128`, `nest 768x[128]` (dims in brackets are reduced over). */
import type { Kernel } from './kernel.ts'

export const nameOf = (kernel: Kernel): string => {
  switch (kernel.kind) {
    case 'nest': {
      const outer = kernel.dims.length - kernel.inner
      const inner = kernel.dims.slice(outer)
      return `nest ${[...kernel.dims.slice(0, outer), ...(inner.length > 0 ? [`[${inner.join('x')}]`] : [])].join('x')}`
    }
    case 'dot':
      return `dot ${[...kernel.batch, ''].join('x')}${kernel.m}x${kernel.n}x${kernel.k}`
    case 'attention':
    case 'attentionGrad':
      return `${kernel.kind} ${kernel.batch}x${kernel.heads}x${kernel.queries}x${kernel.keys}x${kernel.headDim}`
    default:
      return kernel.kind
  }
}
