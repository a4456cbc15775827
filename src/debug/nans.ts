/** Which operation first made a NaN: found by running a program again, equation by equation. */
import { grouped } from '../core/flags.ts'
import { scope } from '../../transforms/scope.ts'
import { type Observer, runtime } from '../core/runtime.ts'
import type { ConcreteArray, NdArray } from '../core/array.ts'
import { showAvals } from '../core/aval.ts'
import * as c from '../core/constructors.ts'
import { isFloat } from '../core/dtype.ts'
import { DeviceError, NanError } from '../core/errors.ts'
import { type Atom, type Eqn, type Jaxpr, variable } from '../core/jaxpr.ts'
import { placeOf } from '../core/source.ts'
import { takes } from '../core/takes.ts'
import { constant, here } from '../core/trace.ts'

/**
 * Whether every result is looked at for NaN from now on: where there is one, what was run is run again equation by equation, loops turn by turn, and the
 * call throws an error that names the operation that made the first one, forward or backward, and the line that it comes from. Slow; for finding faults.
 * As `jax_debug_nans`.
 *
 * @throws DeviceError on a device that can't be read synchronously; NanError from calls that make one
 * @example debug.nans(true)
 * const caught = (() => { try { np.log(np.array(-1)) } catch (error) { return (error as Error).name } finally { debug.nans(false) } })()
 * caught === 'NanError' // true
 */
export const nans = /* @__PURE__ */ takes('debug.nans', 1, (on: boolean): void => {
  const { name } = runtime.device.current()
  if (on && name === 'webgpu')
    throw new DeviceError(`debug.nans: ${name} can't be read synchronously: look for NaN on another device, init({ device: 'wasm' })`)
  runtime.engine.observer = on ? look : null
})

const hasNan = (x: NdArray): boolean => isFloat(x.dtype) && (x as ConcreteArray).dataSync().some(Number.isNaN)

/** What this runs itself isn't looked at again. */
const look: Observer = ({ jaxpr, donated }, args, outs, { what }) => {
  if (!outs.some(hasNan)) return
  if (donated.size > 0)
    throw new NanError(`${what} gave a NaN, and its donated arguments are gone: run it without donateArgnums to see where`)
  runtime.engine.observer = null
  try {
    scope(() => void retrace(jaxpr, args, what))
  } finally {
    runtime.engine.observer = look
  }
}

/** What the equations give, one after another; throws at the first that makes a NaN where it took none. */
const retrace = (jaxpr: Jaxpr, args: readonly NdArray[], what: string): NdArray[] => {
  const env = new Map<Atom, NdArray>()
  jaxpr.inputs.forEach((v, i) => env.set(v, args[i]!))
  const read = (a: Atom): NdArray => (a.kind === 'lit' ? constant(a.value, a.aval) : env.get(a)!)
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map(read)
    const outs = once(eqn, inputs)
    if (outs.some(hasNan) && !inputs.some(hasNan)) {
      within(eqn, inputs, what)
      const made = `${eqn.op.name}(${showAvals(inputs.map((x) => x.aval))}) made a NaN`
      // An eager operation belongs to no program, and is being called right now.
      throw new NanError(eqn.source === null ? `${made} ${placeOf(here(30))}` : `${what}: ${made} ${placeOf(eqn.source)}`)
    }
    eqn.outs.forEach((v, i) => env.set(v, outs[i]!))
  }
  return jaxpr.outs.map(read)
}
const once = (eqn: Eqn, inputs: readonly NdArray[]): NdArray[] => {
  const vars = inputs.map((x) => variable(x.aval))
  return runtime.engine.execute({ inputs: vars, eqns: [{ ...eqn, inputs: vars }], outs: eqn.outs }, inputs as readonly ConcreteArray[])
}

/** What an operation that carries programs does, turn by turn. */
const within = ({ op }: Eqn, inputs: readonly NdArray[], what: string): void => {
  const holds = (x: NdArray): number => (x as ConcreteArray).dataSync()[0]!
  switch (op.name) {
    case 'scan': {
      const { jaxpr, length, reverse, numConsts, numCarry } = op.params
      const [consts, first, xs] = grouped(inputs, [numConsts, numCarry])
      let carry: readonly NdArray[] = first
      for (let i = 0; i < length; i++) {
        const at = reverse ? length - 1 - i : i
        const row = xs.map((x) => {
          const own = c.slice(x, x.shape.map((_, d) => (d === 0 ? at : 0)), x.shape.map((n, d) => (d === 0 ? at + 1 : n))) // prettier-ignore
          return c.reshape(own, x.shape.slice(1))
        })
        carry = retrace(jaxpr, [...consts, ...carry, ...row], what).slice(0, numCarry)
      }
      return
    }
    case 'while': {
      const [cond, body] = op.params.jaxprs
      const [cc, bc, first] = grouped(inputs, [op.params.condConsts, op.params.bodyConsts])
      let carry: readonly NdArray[] = first
      while (holds(retrace(cond!, [...cc, ...carry], what)[0]!) !== 0) carry = retrace(body!, [...bc, ...carry], what)
      return
    }
    case 'cond': {
      const { jaxprs } = op.params
      retrace(jaxprs[Math.max(0, Math.min(holds(inputs[0]!), jaxprs.length - 1))]!, inputs.slice(1), what)
      return
    }
    case 'jit':
    case 'checkpoint':
    case 'customJvp':
    case 'customVjp':
    case 'customVmap':
      retrace(op.params.jaxpr, inputs, what)
  }
}
