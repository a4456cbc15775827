/** explain: what a call of a function is compiled to, what it costs, and why it was compiled again. */
import { showAval, sizeOf } from '../src/core/aval.ts'
import { byteWidth, isFloat } from '../src/core/dtype.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import { placeOf } from '../src/core/source.ts'
import { flopsOf, nameOf, writesOf } from '../src/core/kernelTraits.ts'
import { printJaxpr } from '../src/core/print.ts'
import type { Program, Step } from '../src/core/program.ts'
import { linearizeJaxpr } from './linearize.ts'
import type { Signature } from './traceCache.ts'
import { type Inspection, inspections, jit, pathsOf } from './jit.ts'
import { CotangentError } from '../src/core/errors.ts'
import { called } from './leaves.ts'
import { changed } from './retraced.ts'
import { runtime } from '../src/core/runtime.ts'
import { takes } from '../src/core/takes.ts'

export interface ExplainedKernel {
  /** What it computes: `dot 768x384x128`, `nest 768x[128]` (the dims in brackets are reduced over). */
  readonly what: string
  /** How many sets of buffers it runs on, in all trips of the loops around it. */
  readonly runs: number
  /** Of all runs; a buffer counts once for each run that reads or writes it. */
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Arithmetic operations of all runs, a multiply-add as two. */
  readonly flops: number
}

export interface Residual {
  /** `f32[64,128] of dot_general`, or `of an argument`. */
  readonly what: string
  readonly bytes: number
  /** The function and the line that made it. */
  readonly source: string
}

export interface Explanation {
  /** The program after differentiation, batching and passes, in JAX's notation. */
  readonly jaxpr: string
  readonly device: string
  readonly kernels: readonly ExplainedKernel[]
  /** The generated code, a text for each function. */
  readonly source: readonly string[]
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly flops: number
  /** Bytes in use at most while it runs: arguments, results and intermediates. */
  readonly peakBytes: number
  /** For each time that the jitted function was traced again: which argument changed, from what to what. */
  readonly tracedAgain: readonly string[]
  /** What a gradient of f would keep from the forward pass for the backward one, the largest first. As `jax.ad_checkpoint.print_saved_residuals`. */
  residuals(): readonly Residual[]
  toString(): string
}

/**
 * What f compiles to at these arguments; nothing is computed. A jitted function is explained with its options and its history.
 *
 * @example (await explain((x: NdArray) => np.sum(np.square(np.matmul(x, x))))(np.ones([3, 3]))).residuals().map((r) => r.what) // ["f32[3,3] of an argument", "f32[3,3] of dotGeneral"]
 * @example (await explain((x: NdArray) => np.sum(np.exp(x)))(np.ones([3]))).kernels.length // 1
 */
export const explain = /* @__PURE__ */ takes(
  'explain',
  1,
  <A extends readonly unknown[]>(f: (...args: A) => unknown): ((...args: A) => Promise<Explanation>) =>
    async (...args) => {
      const inspection: Inspection = inspections.get(f) ?? inspections.get(jit(f))!
      const { jaxpr, donated } = inspection.entry(args)
      const { program, executable, backend, jaxpr: optimised } = runtime.engine.compile(jaxpr, donated)
      const kernels = program.steps.flatMap((step) => explainStep(step, program))
      const total = (key: 'bytesRead' | 'bytesWritten' | 'flops'): number => kernels.reduce((sum, k) => sum + k[key], 0)
      const explained: Omit<Explanation, 'toString' | 'residuals'> = {
        jaxpr: printJaxpr(optimised),
        device: backend.name,
        kernels,
        source: executable.source(),
        bytesRead: total('bytesRead'),
        bytesWritten: total('bytesWritten'),
        flops: total('flops'),
        peakBytes: peakOf(program),
        tracedAgain: missesOf(inspection.traced),
      }
      return { ...explained, residuals: () => residualsOf(jaxpr), toString: () => show(explained) }
    },
)

/**
 * For each time that a jitted function was traced again (the last 32): which argument changed, from what to what. As JAX's `jax_explain_cache_misses`.
 *
 * @example scope(() => { const f = jit((x: NdArray) => x.sum()); f(np.ones([2])); f(np.ones([3])); return explainMiss(f)[0] }) // "argument [0] was f32[2] and is f32[3]"
 * @throws CotangentError when the function isn't jitted
 */
export const explainMiss = /* @__PURE__ */ takes('explainMiss', 1, (f: (...args: never[]) => unknown): readonly string[] => {
  const what = called('explainMiss', f)
  const traced = inspections.get(f)?.traced
  if (traced === undefined) throw new CotangentError(`${what}: the function isn't jitted: pass what jit returned`)
  return missesOf(traced)
})
const missesOf = (traced: readonly Signature[]): readonly string[] => traced.slice(1).map((now, i) => changed(traced[i]!, now, pathsOf))

const residualsOf = (jaxpr: Jaxpr): readonly Residual[] => {
  const moving = jaxpr.inputs.map((v) => isFloat(v.aval.dtype))
  const { forward, inputs, linear } = linearizeJaxpr(runtime.transforms, jaxpr, moving)
  const kept = linear.inputs.slice(0, linear.inputs.length - moving.filter(Boolean).length)
  return kept
    .map(({ aval }, i): Residual => {
      const v = i < inputs.length ? null : forward.outs[jaxpr.outs.length + i - inputs.length]!
      const eqn = v === null ? undefined : forward.eqns.find(({ outs }) => outs.some((out) => out === v))
      return {
        what: `${showAval(aval)} of ${eqn?.op.name ?? 'an argument'}`,
        bytes: sizeOf(aval.shape) * byteWidth[aval.dtype],
        source: eqn === undefined ? '' : placeOf(eqn.source),
      }
    })
    .sort((a, b) => b.bytes - a.bytes)
}

const bytesOf = (program: Program, id: number): number => {
  const { size, dtype } = program.buffers[id]!
  return size * byteWidth[dtype]
}

const peakOf = (program: Program): number =>
  program.arenaBytes +
  program.buffers.reduce((sum, b, id) => sum + (b.place.kind === 'arena' || b.place.kind === 'slice' ? 0 : bytesOf(program, id)), 0)

/** `times`: how often the step is done; where that isn't known, once. */
const explainStep = (step: Step, program: Program, times = 1): readonly ExplainedKernel[] => {
  switch (step.kind) {
    case 'loop':
      return [...step.cond, ...step.body].flatMap((s) => explainStep(s, program, times))
    case 'repeat':
      return step.body.flatMap((s) => explainStep(s, program, times * step.trips))
    case 'branch':
      return step.branches.flat().flatMap((s) => explainStep(s, program, times))
    case 'launch': {
      const { kernel, segments } = step
      const written = writesOf(kernel).length
      const sum = (from: number, to?: number): number =>
        times * segments.reduce((n, s) => n + [...new Set(s.buffers.slice(from, to))].reduce((m, id) => m + bytesOf(program, id), 0), 0)
      const flops = times * segments.reduce((n, s) => n + flopsOf(kernel, s.extent), 0)
      return [{ what: nameOf(kernel), runs: times * segments.length, bytesRead: sum(0, -written), bytesWritten: sum(-written), flops }]
    }
  }
}

/** With a prefix of thousands: `1.5 MB`. */
const si = (n: number, unit: string): string => {
  const power = n < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3))
  return power === 0 ? `${n} ${unit}`.trim() : `${(n / 1000 ** power).toPrecision(3)} ${'kMG'[power - 1]}${unit}`
}
const bytes = (n: number): string => si(n, 'B')

const show = (e: Omit<Explanation, 'toString' | 'residuals'>): string => {
  const rows = e.kernels.map((k) => [k.what, `${k.runs}`, bytes(k.bytesRead), bytes(k.bytesWritten), si(k.flops, '')])
  const table = [['kernel', 'runs', 'read', 'written', 'flops'], ...rows]
  const widths = table[0]!.map((_, c) => Math.max(...table.map((row) => row[c]!.length)))
  const lines = table.map((row) => row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  '))
  const again = e.tracedAgain.map((why) => `traced again: ${why}`)
  const sums = `${e.device}: ${e.kernels.length} ${e.kernels.length === 1 ? 'kernel' : 'kernels'}, ${bytes(e.bytesRead)} read, ${bytes(e.bytesWritten)} written, at most ${bytes(e.peakBytes)} in use`
  return [e.jaxpr, '', sums, ...lines, ...again].join('\n')
}
