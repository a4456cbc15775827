/** The generators of every primitive: total by type, so that one without a generator doesn't compile. */
import { sizeOf } from '../core/aval.ts'
import type { Jaxpr } from '../core/jaxpr.ts'
import { type OpName, type OpParams, ulpsOf } from '../core/ops.ts'
import { type HostFunction } from '../core/callbacks.ts'
import { Ref } from '../core/ref.ts'
import { attentionGenerators } from './attention.ts'
import { axisGenerators } from './axes.ts'
import type { Choices, Value } from './choices.ts'
import { contraction } from './contraction.ts'
import { controlGenerators } from './loops.ts'
import { customGenerators } from './custom.ts'
import { elementwise } from './elementwise.ts'
import { type Generator, generator, onlyAny } from './generator.ts'
import { indexing } from './indexing.ts'
import { layoutGenerators } from './layout.ts'
import { callJaxpr, drawProgram } from './programs.ts'
import { reductions } from './reductions.ts'

export type GeneratorTable = { readonly [K in OpName]: Generator<K> }

type Carriers = 'jit' | 'checkpoint' | keyof ReturnType<typeof customGenerators> | 'scan' | 'while' | 'cond'
/** The primitives that carry no jaxpr and stand anywhere. */
const leaves: Omit<GeneratorTable, Carriers | keyof typeof axisGenerators> = {
  ...elementwise,
  ...reductions,
  ...layoutGenerators,
  ...indexing,
  ...contraction,
  ...attentionGenerators,
  name: generator<'name'>({
    any: (c) => ({ params: { name: c.pick(['a', 'b']) }, inputs: [c.value(c.shape(), c.dtype(c.sizes.dtypes))] }),
    smooth: (c) => ({ params: { name: c.pick(['a', 'b']) }, inputs: [c.value(c.shape(), 'float64', () => c.smooth())] }),
    linear: () => [[0]],
  }),
  // Of integers: the host's function has no derivative.
  callback: onlyAny<'callback'>((c) => {
    const x = c.value(c.shape(), 'int32')
    const { shape } = x.aval
    const reversed: HostFunction = ([y], [out]) => [
      new Int32Array(sizeOf(out!)).map((_, i) => y!.data.at(-1 - i)! ^ 5),
      new Int32Array([y!.shape.length]),
    ]
    return {
      params: { call: Ref.of(reversed), shapes: [shape, []], dtypes: ['int32', 'int32'], batch: 'sequential', debug: false },
      inputs: [x],
    }
  }),
  randomWrap: onlyAny<'randomWrap'>((c) => ({ params: {}, inputs: [c.value([...c.shape(0, c.below(3)), 2], 'uint32')] })),
  randomUnwrap: onlyAny<'randomUnwrap'>((c) => ({ params: {}, inputs: [c.value(c.shape(), 'key')] })),
}
const leafNames = Object.keys(leaves) as (keyof typeof leaves)[]

const derivable = leafNames.filter((name) => !leaves[name].flat)
/** Their results are the same on every device, bit by bit (a NaN's bits are nobody's business). */
export const exactOps: readonly OpName[] = leafNames.filter((name) => ulpsOf(name) === 0 && name !== 'bitcastConvertType')

/** A jit around one call, linear in what that call is linear in. */
const jitOfCall = (c: Choices) => {
  const name = c.pick(derivable)
  const draw = (leaves[name] as Generator<OpName>).smooth(c)
  return { params: { jaxpr: callJaxpr(name, draw), name: 'f' }, inputs: draw.inputs }
}

/** What is linear in a jaxpr of one call is what the call is linear in. */
const linearAsCall = ({ params, inputs }: { readonly params: { readonly jaxpr: Jaxpr }; readonly inputs: readonly Value[] }) => {
  const { op } = params.jaxpr.eqns[0]!
  return (generators[op.name] as Generator<OpName>).linear({ params: op.params, inputs })
}
const policies = ['nothing', 'dots', 'everything', 'dotsWithNoBatchDims', 'names'] as const
const policyOf = (c: Choices): Omit<OpParams['checkpoint'], 'jaxpr'> => ({ policy: c.pick(policies), names: ['a'], apart: c.oneIn(2) })

export const generators: GeneratorTable = {
  ...leaves,
  ...customGenerators(leaves, exactOps),
  ...controlGenerators(leaves, exactOps),
  ...axisGenerators,
  checkpoint: generator<'checkpoint'>({
    any: (c) => {
      const { jaxpr, inputs } = drawProgram(c, leaves, { ops: exactOps, steps: 3 })
      return { params: { jaxpr, ...policyOf(c) }, inputs }
    },
    smooth: (c) => {
      const { params, inputs } = jitOfCall(c)
      return { params: { jaxpr: params.jaxpr, ...policyOf(c) }, inputs }
    },
    linear: linearAsCall,
  }),
  jit: generator<'jit'>({
    any: (c) => {
      const { jaxpr, inputs } = drawProgram(c, leaves, { ops: exactOps, steps: 3 })
      return { params: { jaxpr, name: 'f' }, inputs }
    },
    smooth: jitOfCall,
    linear: linearAsCall,
  }),
}

export const opNames = Object.keys(generators) as readonly OpName[]
/** Those that have both derivatives, by name. */
export const smoothNames: readonly OpName[] = opNames.filter((name) => {
  const { flat, reverseOnly, forwardOnly, axisName } = generators[name]
  return !flat && !reverseOnly && !forwardOnly && axisName === null
})
