/** Several operations as one program, outside a trace too. */
import type { NdArray } from '../core/array.ts'
import { applyJaxpr, trace, tracing } from '../core/trace.ts'

export const fused = <A extends readonly NdArray[]>(what: string, f: (...args: A) => NdArray, ...args: A): NdArray => {
  if (tracing()) return f(...args)
  const { jaxpr, captures } = trace(
    args.map((x) => x.aval),
    (xs) => [f(...(xs as A))],
    what,
  )
  return applyJaxpr(jaxpr, [...captures, ...args], what)[0]!
}
