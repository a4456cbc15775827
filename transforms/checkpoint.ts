/** checkpoint: what a function computes on the way is computed again for its derivative, so that memory holds its inputs and what a policy keeps. */
import { NdArray } from '../src/core/array.ts'
import { CotangentError } from '../src/core/errors.ts'
import { bind, trace } from '../src/core/trace.ts'
import { unflatten } from '../src/tree.ts'
import { inline } from './inline.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { either, list, needed, oneOf, record, type Schema, text } from '../src/core/options.ts'
import { takes, takesOptions } from '../src/core/takes.ts'

const POLICIES = ['nothing', 'everything', 'dots', 'dotsWithNoBatchDims'] as const
interface NamesPolicy {
  readonly names: readonly string[]
}
/** What is kept for the derivative: nothing but the inputs; everything; products of matrices (without batch dims); or what has one of these names. */
export type CheckpointPolicy = (typeof POLICIES)[number] | NamesPolicy

export interface CheckpointOptions {
  /** Default 'nothing'. As `jax.checkpoint_policies`. */
  readonly policy?: CheckpointPolicy
}
const checkpointOptions: Schema<CheckpointOptions> = {
  policy: either(oneOf(...POLICIES), record<NamesPolicy>({ names: needed(list(text)) })),
}

/**
 * The same function, whose derivative computes again what it needs instead of keeping it: less memory for more arithmetic. In a `lax.scan` over
 * blocks, training memory grows with one block's activations. As `jax.checkpoint`.
 *
 * @example grad(checkpoint((x: NdArray) => np.sum(np.sin(np.sin(x)))))(np.zeros([2])) // [1, 1]
 * @throws CotangentError when there is no such policy
 */
export const checkpoint = /* @__PURE__ */ takesOptions(
  'checkpoint',
  2,
  checkpointOptions,
  <A extends readonly unknown[], R>(f: (...args: A) => R, options: CheckpointOptions = {}): ((...args: A) => R) => {
    const what = called('checkpoint', f)
    const { policy = 'nothing' } = options
    const names = typeof policy === 'string' ? [] : policy.names
    return (...args) => {
      const { leaves, def } = flattenArrays(args, what)
      const flat = flatFunction(f as (...args: never[]) => unknown, def, what)
      const { jaxpr, captures } = trace(
        leaves.map((x) => x.aval),
        flat.call,
        what,
      )
      // Policies look at equations, so jitted functions are opened.
      const params = { jaxpr: inline(jaxpr, false), policy: typeof policy === 'string' ? policy : ('names' as const), names, apart: false }
      return unflatten(flat.out(), bind('checkpoint', params, [...captures, ...leaves])) as R
    }
  },
)

/**
 * The array itself, under a name by which a policy of `checkpoint` may keep it. As `jax.ad_checkpoint.checkpoint_name`.
 *
 * @example checkpointName(np.array(3), 'hidden') // 3
 */
export const checkpointName = /* @__PURE__ */ takes('checkpointName', 2, (x: NdArray, name: string): NdArray => {
  if (!(x instanceof NdArray) || typeof name !== 'string') throw new CotangentError('checkpointName takes an array and a name')
  return bind('name', { name }, [x])[0]!
})
