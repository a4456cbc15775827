/** Transforms of users' functions against what they mean. Each check throws a CotangentError that says where and by how much they differ. */
import { linearTranspose } from '../../transforms/autodiff.ts'
import { ProgramEngine } from '../../transforms/engine.ts'
import { jit } from '../../transforms/jit.ts'
import { flatFunction, flattenArrays } from '../../transforms/leaves.ts'
import { spread } from '../../transforms/prefix.ts'
import { runtime } from '../core/runtime.ts'
import { type Axes, isAxis, vmap, axesKind } from '../../transforms/vmap.ts'
import { ConcreteArray } from '../core/array.ts'
import { moveAxis, range } from '../core/constructors.ts'
import { isHalf, typedArrayOf } from '../core/dtype.ts'
import { CotangentError } from '../core/errors.ts'
import { toBits } from '../core/half.ts'
import { trace } from '../core/trace.ts'
import { type DeviceName, deviceNamed } from '../init.ts'
import { stack } from '../numpy/layout.ts'
import { slice } from '../numpy/indexing.ts'
import { paths, unflatten } from '../tree.ts'
import { checked, direction, inner, leavesOf, mapLeaves, near, sameNumbers } from './trees.ts'
import { list, number, oneOf, type Schema } from '../core/options.ts'
import { promised, takesOptions } from '../core/takes.ts'

type Fn<A extends readonly unknown[], R> = (...args: A) => R
export interface CheckOptions {
  /** Relative to the larger of 1 and what is expected. Default 1e-5, as float32 has seven digits. */
  readonly tolerance?: number
}
const checkOptions: Schema<CheckOptions> = { tolerance: number }
/**
 * Throws where jit(f) differs from f.
 *
 * @example checkJit((x: NdArray) => np.tanh(x), [np.array([0.5, -1])])
 */
export const checkJit = /* @__PURE__ */ takesOptions(
  'checkJit',
  3,
  checkOptions,
  <A extends readonly unknown[]>(f: Fn<A, unknown>, args: A, { tolerance = 1e-5 }: CheckOptions = {}): void =>
    near(checked('checkJit', f, args), jit(f)(...args), f(...args), tolerance),
)

export interface CheckVmapOptions extends CheckOptions {
  /** As of vmap. */
  readonly inAxes?: Axes
}
const checkVmapOptions: Schema<CheckVmapOptions> = { ...checkOptions, inAxes: axesKind }
/**
 * Throws where vmap(f) differs from f of each example.
 *
 * @example checkVmap((x: NdArray, w: NdArray) => np.dot(x, w), [np.ones([5, 3]), np.ones([3])], { inAxes: [0, null] })
 */
export const checkVmap = /* @__PURE__ */ takesOptions(
  'checkVmap',
  3,
  checkVmapOptions,
  <A extends readonly unknown[]>(f: Fn<A, unknown>, args: A, options: CheckVmapOptions = {}): void => {
    const { inAxes = 0, tolerance = 1e-5 } = options
    const what = checked('checkVmap', f, args)
    const got = vmap(f, { inAxes })(...args)
    const { leaves, def } = flattenArrays(args, what)
    const axes = spread(inAxes, def, isAxis, `${what}: inAxes`)
    const at = axes.findIndex((axis) => axis !== null)
    const size = leaves[at]!.shape.at(axes[at]!)!
    if (size === 0) return
    const examples = range(size).map(
      (i) =>
    f(...(unflatten(def, leaves.map((x, k) => (axes[k] === null ? x : slice(moveAxis(x, axes[k]! < 0 ? axes[k]! + x.ndim : axes[k]!, 0), i)))) as A)), // prettier-ignore
    )
    const loop = mapLeaves(examples[0], (_, k) => stack(examples.map((one) => leavesOf(one)[k]!)))
    near(what, got, loop, tolerance)
  },
)

/**
 * Throws where linearTranspose(f) isn't the adjoint of a linear f: ⟨f(x), ct⟩ = ⟨x, fᵀ(ct)⟩, for x and a cotangent drawn at random.
 *
 * @example checkTranspose((x: NdArray) => np.cumsum(x), np.zeros([4]))
 */
export const checkTranspose = /* @__PURE__ */ takesOptions(
  'checkTranspose',
  3,
  checkOptions,
  <T>(f: (x: T) => unknown, example: T, { tolerance = 1e-5 }: CheckOptions = {}): void => {
    const what = checked('checkTranspose', f, [])
    const random = direction(1)
    const x = mapLeaves(example, random)
    const y = f(x)
    const ct = mapLeaves(y, random)
    const back = (linearTranspose as (g: typeof f, e: T) => (c: unknown) => T)(f, example)(ct)
    const [left, right] = [inner(leavesOf(y), leavesOf(ct)), inner(leavesOf(x), leavesOf(back))]
    if (!(Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(left))))
      throw new CotangentError(`${what}: ⟨f(x), ct⟩ is ${left}, and ⟨x, fᵀ(ct)⟩ is ${right}`)
  },
)

export interface DevicesOptions extends CheckOptions {
  /** Default: reference and wasm, and webgpu where there is an adapter. The first is what the others are compared with. */
  readonly devices?: readonly DeviceName[]
}
const devicesOptions: Schema<DevicesOptions> = { ...checkOptions, devices: list(oneOf('wasm', 'reference', 'webgpu')) }
const available = async (): Promise<readonly DeviceName[]> => {
  const gpu = await deviceNamed('webgpu').catch(() => null)
  return gpu === null ? ['reference', 'wasm'] : ['reference', 'wasm', 'webgpu']
}
const compared = /* @__PURE__ */ takesOptions(
  'sameOnAllDevices',
  3,
  devicesOptions,
  async <A extends readonly unknown[]>(f: Fn<A, unknown>, args: A, options: DevicesOptions = {}): Promise<void> => {
    const { tolerance = 1e-5, devices = await available() } = options
    const what = checked('sameOnAllDevices', f, args)
    const { leaves, def } = flattenArrays(args, what)
    const flat = flatFunction(f as (...xs: never[]) => unknown, def, what)
    const avals = leaves.map((x) => x.aval)
    const { jaxpr, captures } = trace(avals, flat.call, what, { kind: 'jit' })
    if (captures.length > 0)
      throw new CotangentError(
        `${what}: the function closes over ${captures.length} arrays, which are on one device: pass them as arguments`,
      )
    const data = await Promise.all(leaves.map((x) => x.data()))
    const runOn = async (name: DeviceName): Promise<readonly ArrayLike<number>[]> => {
      const backend = await deviceNamed(name)
      const engine = new ProgramEngine({ ...runtime, backend: () => backend })
      const inputs = avals.map((a, i) => {
        const words = isHalf(a.dtype) ? toBits(data[i]!, a.dtype) : typedArrayOf(a.dtype).from(data[i]!)
        return new ConcreteArray(a, backend.upload(a.dtype, words), backend)
      })
      return Promise.all(engine.execute(jaxpr, inputs).map((y) => y.read()))
    }
    const [first, ...others] = devices
    const expected = await runOn(first!)
    const at = paths(unflatten(flat.out(), jaxpr.outs.map(() => 0))) // prettier-ignore
    for (const name of others)
      (await runOn(name)).forEach((x, k) =>
        sameNumbers(`${what} on ${name}, against ${first}${at[k] && `, at ${at[k]}`}`, x, expected[k]!, tolerance),
      )
  },
)
/**
 * Rejects where f, compiled, gives something else on one device than on another. Arguments are read here and sent to each. A device that lacks a dtype of
 * the program refuses it: choose the others.
 *
 * @example await sameOnAllDevices((x: NdArray) => np.exp(x), [np.array([0, 1])], { devices: ['reference', 'wasm'] })
 */
export const sameOnAllDevices = /* @__PURE__ */ promised(compared)
