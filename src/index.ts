/** Cotangent: transforms of pure functions over immutable arrays. This is the one place that wires rules, methods and device together. */
import { isLeft, right } from './core/either.ts'
import { bringAll as bringEverything, bringListings } from '../backends/bring.ts'
import { rules } from '../primitives/index.ts'
import { bring, table } from '../primitives/table.ts'
import { makeTransforms } from '../transforms/algebra.ts'
import * as autodiff from '../transforms/autodiff.ts'
import * as checkifies from '../transforms/checkify.ts'
import * as checkpoints from '../transforms/checkpoint.ts'
import * as customs from '../transforms/custom.ts'
import { Engine } from '../transforms/engine.ts'
import * as jacobians from '../transforms/jacobian.ts'
import * as jaxprs from '../transforms/jaxprs.ts'
import * as jits from '../transforms/jit.ts'
import * as explains from '../transforms/explain.ts'
import { scope as scoped } from '../transforms/scope.ts'
import { setSystem } from '../transforms/system.ts'
import * as shards from '../transforms/shardMap.ts'
import { vmap as vmapTransform } from '../transforms/vmap.ts'
import { checkJaxpr as check } from './core/check.ts'
import { backend } from './device.ts'
import type { Jaxpr } from './core/jaxpr.ts'
import type { OpName } from './core/ops.ts'
import { parseJaxpr as parse } from './core/parse.ts'
import type { Rules } from './core/rules.ts'
import { wire, type Wiring } from './core/trace.ts'
import * as debugModule from './debug/index.ts'
import * as callbacks from './debug/pureCallback.ts'
import * as laxModule from './lax/index.ts'
import { installMethods } from './methods.ts'
import * as nnModule from './nn/index.ts'
import * as numpy from './numpy/index.ts'
import * as optimModule from './optim/index.ts'
import * as randomModule from './random/index.ts'
import { all, flatten, leaves, map, mapWithPath, paths, reduce, registerNode, structure, transpose, unflatten } from './tree.ts'

const transforms = makeTransforms(table)
const engine = new Engine(transforms, backend)
setSystem({ transforms, engine })
const abstractEval: Wiring['abstractEval'] = (op, avals) => {
  const out = (table[op.name] as Rules<OpName>).abstractEval(avals, op.params)
  return isLeft(out) ? out : right(out.right)
}
wire({
  abstractEval,
  execute: (jaxpr, args) => engine.execute(jaxpr, args),
  backend,
})
installMethods()

/**
 * Bytes that live arrays hold on the device now. A loop that keeps a tree from step to step should find the same number after each.
 * What nobody holds any more and wasn't disposed of counts until the collector tells of it, which it does between tasks.
 *
 * @example const before = bytesInUse()
 * const x = np.ones([1024])
 * bytesInUse() - before >= 4 * x.size // true
 */
export const bytesInUse = (): number => backend().bytesInUse()

// Bound here, and not re-exported, so that a bundler that drops unused modules keeps the wiring above.
export const np: typeof numpy = numpy
export const lax: typeof laxModule = laxModule
export const random: typeof randomModule = randomModule
export const nn: typeof nnModule = nnModule
export const optim: typeof optimModule = optimModule
export const debug: typeof debugModule = debugModule
export const tree = { all, flatten, leaves, map, mapWithPath, paths, reduce, registerNode, structure, transpose, unflatten } as const
export const grad: typeof autodiff.grad = autodiff.grad
export const valueAndGrad: typeof autodiff.valueAndGrad = autodiff.valueAndGrad
export const jvp: typeof autodiff.jvp = autodiff.jvp
export const vjp: typeof autodiff.vjp = autodiff.vjp
export const linearize: typeof autodiff.linearize = autodiff.linearize
export const linearTranspose: typeof autodiff.linearTranspose = autodiff.linearTranspose
export const jacfwd: typeof jacobians.jacfwd = jacobians.jacfwd
export const jacrev: typeof jacobians.jacrev = jacobians.jacrev
export const hessian: typeof jacobians.hessian = jacobians.hessian
export const customJvp: typeof customs.customJvp = customs.customJvp
export const customVjp: typeof customs.customVjp = customs.customVjp
export const customVmap: typeof customs.customVmap = customs.customVmap
export const closureConvert: typeof customs.closureConvert = customs.closureConvert
export const pureCallback: typeof callbacks.pureCallback = callbacks.pureCallback
export const checkify: typeof checkifies.checkify = checkifies.checkify
export const checkpoint: typeof checkpoints.checkpoint = checkpoints.checkpoint
export const checkpointName: typeof checkpoints.checkpointName = checkpoints.checkpointName
export const jit: typeof jits.jit = jits.jit
export const makeJaxpr: typeof jaxprs.makeJaxpr = jaxprs.makeJaxpr
export const evalShape: typeof jaxprs.evalShape = jaxprs.evalShape
/** Jaxprs as data may hold every primitive. */
const bringAll = (): void => {
  bring(rules)
  bringEverything()
}
/**
 * The jaxpr that a text in JAX's notation stands for.
 *
 * @example parseJaxpr('{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }').eqns.length // 1
 * @throws JaxprError with line and column where the text stands for none
 */
export const parseJaxpr = (text: string): jaxprs.PrintableJaxpr => {
  bringAll()
  return jaxprs.printable(parse(text))
}
/**
 * The jaxpr itself, when it keeps the IR's rules.
 *
 * @example checkJaxpr(makeJaxpr((x: NdArray) => np.sin(x))(np.ones([3]))).outs.length // 1
 * @throws JaxprError naming the equation that breaks them
 */
export const checkJaxpr = <J extends Jaxpr>(jaxpr: J): J => {
  bringAll()
  check(jaxpr, abstractEval)
  return jaxpr
}
/**
 * A jaxpr's results on arrays, equation by equation. Wrap it in `jit` to run it as one program.
 *
 * @example evalJaxpr(makeJaxpr((x: NdArray) => np.mul(x, 2))(np.ones([2])), [np.array([1, 2])]) // [[2, 4]]
 */
export const evalJaxpr: typeof jaxprs.evalJaxpr = (jaxpr, args) => {
  bringAll()
  return jaxprs.evalJaxpr(jaxpr, args)
}
export { devices, type DeviceInfo, init, type InitOptions } from './init.ts'
export { profile, type Profile, type ProfiledKernel } from './profile.ts'
export const explain: typeof explains.explain = (f) => {
  bringListings()
  return explains.explain(f)
}
export const explainMiss: typeof explains.explainMiss = explains.explainMiss
export const scope: typeof scoped = scoped
export const vmap: typeof vmapTransform = vmapTransform
export const shardMap: typeof shards.shardMap = shards.shardMap
export const P: typeof shards.P = shards.P
export { NdArray, type Nested } from './core/array.ts'
export type { KernelTime } from './core/backend.ts'
export type { DType, HostArray as TypedArray } from './core/dtype.ts'
export type { Index, Operand, Slice } from './core/methods.ts'
export * from './core/errors.ts'
export type { Jaxpr } from './core/jaxpr.ts'
export type { PrintableJaxpr, Shapes } from '../transforms/jaxprs.ts'
export type { ShapeDType } from '../transforms/leaves.ts'
export type { Optimizer, OptState, Schedule } from './optim/index.ts'
export type { Declared, PureCallbackOptions } from './debug/pureCallback.ts'
export type { Checked, CheckifyOptions, CheckKind } from '../transforms/checkify.ts'
export type { CheckpointOptions, CheckpointPolicy } from '../transforms/checkpoint.ts'
export type { Batched, CustomOptions, OrNull, Perturbed } from '../transforms/custom.ts'
export type { GradOptions } from '../transforms/autodiff.ts'
export type { ExplainedKernel, Explanation, Residual } from '../transforms/explain.ts'
export type { Jacobian, JacobianOptions } from '../transforms/jacobian.ts'
export type { Jitted, JitOptions, Lowered } from '../transforms/jit.ts'
export type { PartitionSpec, ShardMapOptions, Specs } from '../transforms/shardMap.ts'
export type { VmapOptions } from '../transforms/vmap.ts'
