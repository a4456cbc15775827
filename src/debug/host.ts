/** Arrays on the host: what a callback is given, and what becomes of what it gives. */
import { KeptFor } from '../../transforms/kept.ts'
import { type Flat, sameDef } from '../../transforms/leaves.ts'
import { ConcreteArray, NdArray } from '../core/array.ts'
import { type Aval, aval, eqAval, showAval, sizeOf } from '../core/aval.ts'
import type { Backend, Storage } from '../core/backend.ts'
import { type HostArray, type HostFunction } from '../core/callbacks.ts'
import { computedIn, type DType, isHalf, type TypedArray, typedArrayOf } from '../core/dtype.ts'
import { CallbackError, DeviceError } from '../core/errors.ts'
import type { OpParams } from '../core/ops.ts'
import { Ref } from '../core/ref.ts'
import { bind } from '../core/trace.ts'
import { toBits } from '../core/half.ts'
import type { TreeDef } from '../tree.ts'

interface HostStorage extends Storage {
  readonly data: TypedArray
}
/** Memory to be read, and nothing that runs. */
const host: Backend<HostStorage> = {
  name: 'the host, given to a callback',
  dtypes: ['float16', 'bfloat16', 'float32', 'float64', 'int32', 'uint32', 'bool', 'key'],
  upload: (_dtype, data) => ({ data, byteLength: data.byteLength, free: () => undefined }),
  readSync: ({ data }) => data,
  read: async ({ data }) => data,
  compile: () => {
    throw new DeviceError('the host runs nothing: compute with JavaScript on x.toTyped() or x.toArray()')
  },
  bytesInUse: () => 0,
}
/** Kernels give 16-bit floats widened. */
export const hostArray = ({ data, shape }: HostArray, dtype: DType): NdArray =>
  new ConcreteArray(aval(shape, dtype), host.upload(dtype, isHalf(dtype) ? toBits(data, dtype) : data), host)

/** A number for a scalar or for all elements, an array, a typed array or nested lists, as data of the aval. */
export const hostData = (value: unknown, { dtype, shape }: Aval, what: string): TypedArray => {
  const [size, Typed] = [sizeOf(shape), typedArrayOf(computedIn(dtype))]
  const refuse = (given: string): never => {
    throw new CallbackError(`${what} gave ${given}, and ${showAval({ dtype, shape, weak: false })} was declared`)
  }
  if (typeof value === 'number' || typeof value === 'boolean') return new Typed(size).fill(Number(value))
  const flat: unknown = value instanceof NdArray ? value.toTyped() : Array.isArray(value) ? value.flat(Infinity) : value
  if (value instanceof NdArray && value.shape.join() !== shape.join()) return refuse(showAval(value.aval))
  if (!(Array.isArray(flat) || ArrayBuffer.isView(flat))) return refuse(typeof value)
  const list = flat as ArrayLike<unknown>
  return list.length === size ? Typed.from(Array.from(list, Number)) : refuse(`${list.length} numbers`)
}

/** A call of a function of the user's: its name, the structures and types of what it is given, and those of what it gives. */
export interface Call {
  readonly what: string
  readonly args: Flat
  readonly out: TreeDef
  readonly outs: readonly Aval[]
}
type Signature = Omit<Call, 'args'> & { readonly def: TreeDef; readonly dtypes: readonly DType[] }
const sameSignature = (a: Signature, b: Signature): boolean =>
  a.what === b.what &&
  sameDef(a.def, b.def) &&
  a.dtypes.every((dtype, i) => dtype === b.dtypes[i]) &&
  sameDef(a.out, b.out) &&
  a.outs.every((own, i) => eqAval(own, b.outs[i]!))
const hostFunctions = new KeptFor<Signature, HostFunction>(sameSignature)

/** An op of a function `f` of the user's, as a function of data, which is made once for what it is told apart by. What it throws is told as the call's own. */
export const callHost = (
  f: object,
  { what, args, out, outs }: Call,
  ofData: (dtypes: readonly DType[]) => HostFunction,
  params: Pick<OpParams['callback'], 'batch' | 'debug'>,
): NdArray[] => {
  const dtypes = args.leaves.map((x) => x.dtype)
  const host = hostFunctions.of(f, { what, def: args.def, dtypes, out, outs }, () => telling(what, ofData(dtypes)))
  const effects = params.debug ? (['debug'] as const) : []
  const shapes = outs.map(({ shape }) => shape)
  return bind('callback', { call: Ref.of(host), shapes, dtypes: outs.map(({ dtype }) => dtype), ...params }, args.leaves, effects)
}
const telling =
  (what: string, f: HostFunction): HostFunction =>
  (...given) => {
    try {
      return f(...given)
    } catch (error) {
      if (error instanceof CallbackError) throw error
      throw new CallbackError(`${what} threw: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
