/** Functions of JavaScript as parts of programs. */
import { called, flattenArrays, placeholders, type ShapeDType } from '../../transforms/leaves.ts'
import type { NdArray } from '../core/array.ts'
import { ArgumentError, CallbackError } from '../core/errors.ts'
import { isDict, showDef, type TreeDef, unflatten } from '../tree.ts'
import { aval } from '../core/aval.ts'
import { callHost, hostArray, hostData } from './host.ts'
import { show } from '../core/show.ts'
import { oneOf, type Schema } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'

/** A tree of arrays for one of shapes and dtypes. */
export type Declared<T> = T extends ShapeDType ? NdArray : { readonly [K in keyof T]: Declared<T[K]> }

export interface PureCallbackOptions {
  /**
   * What vmap does: `sequential` (the default) calls f for each example; `broadcastAll` once, with the batch axis in front of all arguments;
   * `expandDims` once, with an axis of 1 in front of those that have none.
   */
  readonly vmapMethod?: 'sequential' | 'broadcastAll' | 'expandDims'
}
const pureCallbackOptions: Schema<PureCallbackOptions> = { vmapMethod: oneOf('sequential', 'broadcastAll', 'expandDims') }

/**
 * f of arguments, computed in JavaScript when the program gets there: it gets trees of arrays on the host, and gives a tree like `result` of numbers, typed
 * arrays, nested lists or arrays. It has to be pure, since it may be called twice, or not at all; it has no derivative but the one that customJvp or
 * customVjp give it. As `jax.pure_callback`.
 *
 * @throws CallbackError where f throws or gives what wasn't declared
 * @example jit((x: NdArray) => pureCallback((y) => y.toTyped().map((v) => Math.hypot(v, 4)), { shape: [2], dtype: 'float32' }, [x]))(np.array([3, 0])) // [5, 4]
 */
export const pureCallback = /* @__PURE__ */ takesOptions(
  'pureCallback',
  4,
  pureCallbackOptions,
  <A extends readonly unknown[], const T>(
    f: (...args: NoInfer<A>) => unknown,
    result: T,
    args: readonly [...A],
    options: PureCallbackOptions = {},
  ): Declared<T> => {
    const what = called('pureCallback', f)
    if (!Array.isArray(args)) throw new ArgumentError(`${what}: arguments are a list, [x], and got ${show(args)}`)
    const { vmapMethod = 'sequential' } = options
    const given = flattenArrays(args, what)
    const { leaves: declared, def: out } = flattenArrays(placeholders(result), `the declared result of ${what}`)
    const outs = declared.map((x) => aval(x.shape, x.dtype))
    const { def } = given
    const flat = callHost(
      f,
      { what, args: given, out, outs },
      (dtypes) => (inputs, shapes) => {
        const own = inputs.map((x, i) => hostArray(x, dtypes[i]!))
        const values = matched(out, f(...(unflatten(def, own) as A)), what)
        return values.map((x, k) => hostData(x, { ...outs[k]!, shape: shapes[k]! }, what))
      },
      { batch: vmapMethod, debug: false },
    )
    return unflatten(out, flat) as Declared<T>
  },
)

/** The parts of what was given in the places of the declared tree's leaves, which may be lists themselves. */
const matched = (def: TreeDef, value: unknown, what: string): readonly unknown[] => {
  if (def.kind === 'leaf') return [value]
  if (def.kind === 'none') return []
  if (def.kind === 'list' && Array.isArray(value) && value.length === def.children.length)
    return def.children.flatMap((child, i) => matched(child, value[i], what))
  if (def.kind === 'dict' && isDict(value) && def.keys.every((key) => key in value))
    return def.children.flatMap((child, i) => matched(child, value[def.keys[i]!], what))
  throw new CallbackError(`${what} gave ${typeof value}, and ${showDef(def)} was declared`)
}
