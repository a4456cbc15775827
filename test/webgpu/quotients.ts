/**
 * WGSL's quotients and roots aren't rounded once: a quotient may be 2.5 ulps off, a root is the reciprocal of an inverse root that may be 2 ulps
 * off. So a program of exact operations may differ by what such noise makes of its results: see test/backends/noise.ts.
 */
import { isFloat } from '../../src/core/dtype.ts'
import { aval } from '../../src/core/aval.ts'
import { type Eqn, type Jaxpr, literal, variable } from '../../src/core/jaxpr.ts'
import type { Op } from '../../src/core/ops.ts'
import { strength } from '../backends/noise.ts'

/** 2.5 ulps, and a root's 2 and two roundings. */
const EPSILON = 3 * 2 ** -23

const isJaxpr = (x: unknown): x is Jaxpr => typeof x === 'object' && x !== null && 'eqns' in x

/** The jaxprs that an operation carries. */
export const carriedBy = ({ params }: Op): readonly Jaxpr[] =>
  (Object.values(params as Record<string, unknown>).flat() as readonly unknown[]).filter(isJaxpr)

const withCarried = (op: Op, f: (jaxpr: Jaxpr) => Jaxpr): Op => {
  const of = (x: unknown): unknown => (Array.isArray(x) ? x.map(of) : isJaxpr(x) ? f(x) : x)
  return { ...op, params: Object.fromEntries(Object.entries(op.params).map(([key, x]) => [key, of(x)])) } as Op
}

/** The program with every float quotient and root moved by up to three ulps, some up and some down; itself where there are none. */
export const noisy = (jaxpr: Jaxpr, variant: number): Jaxpr => {
  let nodes = 0
  const moved = (eqn: Eqn): readonly Eqn[] => {
    const op = withCarried(eqn.op, all)
    const [out] = eqn.outs
    if ((op.name !== 'div' && op.name !== 'sqrt') || !isFloat(out!.aval.dtype)) return [{ ...eqn, op }]
    const raw = variable(out!.aval)
    const by = literal(Math.fround(1 + EPSILON * strength(nodes++, variant)), aval([], raw.aval.dtype, raw.aval.weak))
    return [
      { ...eqn, outs: [raw] },
      { ...eqn, op: { name: 'mul', params: {} }, inputs: [raw, by] },
    ]
  }
  const all = (of: Jaxpr): Jaxpr => ({ ...of, eqns: of.eqns.flatMap(moved) })
  const made = all(jaxpr)
  return nodes === 0 ? jaxpr : made
}
