/** What 16-bit floats are held to: a primitive of them is the primitive of float32 on the same numbers, with results rounded. */
import { aval, type Aval } from '../../src/core/aval.ts'
import type { DType, HalfFloat } from '../../src/core/dtype.ts'
import { rounded } from '../../src/core/half.ts'
import type { OpName } from '../../src/core/ops.ts'
import { type Choices, type Value } from '../../src/testing/choices.ts'
import type { Draw, Generator } from '../../src/testing/generator.ts'
import { generators, opNames } from '../../src/testing/generators.ts'
import { callJaxpr, type Program } from '../../src/testing/programs.ts'

export const HALVES: readonly HalfFloat[] = ['float16', 'bfloat16']

const CARRIERS = /^(jit|callback|checkpoint|scan|while|cond|custom|psum|axis|random|threefry|bitcast|nextafter|dotProductAttention)/
/** The primitives that take or make 16-bit floats; those of attention are lowered through these. */
export const halvable: readonly OpName[] = opNames.filter((name) => !CARRIERS.test(name))

/** The same call twice: at 16 bits, and at float32 on numbers that 16 bits hold. */
export const halved = (name: OpName, half: HalfFloat, c: Choices): Program & { readonly wide: Program } => {
  const draw = (generators[name] as Generator<OpName>).any(c)
  const program = (to: DType): Program => {
    const at = (dtype: DType): DType => (dtype === 'float32' ? to : dtype)
    const atAval = (a: Aval): Aval => aval(a.shape, at(a.dtype), a.weak)
    const inputs = draw.inputs.map((x): Value => ({
      aval: atAval(x.aval),
      data: x.aval.dtype === 'float32' ? x.data.map((v) => rounded(v, half)) : x.data,
    }))
    const params = Object.fromEntries(
      Object.entries(draw.params).map(([key, value]) => [
        key,
        key === 'dtype' || key === 'preferred' ? value && at(value as DType) : value,
      ]),
    ) as Draw<OpName>['params']
    return { jaxpr: callJaxpr(name, { params, inputs }), inputs }
  }
  return { ...program(half), wide: program('float32') }
}

/** Results at float32 as they are at 16 bits. */
export const asHalf = (half: HalfFloat, outs: readonly Value[]): Value[] =>
  outs.map((x) => (x.aval.dtype === 'float32' ? { aval: { ...x.aval, dtype: half }, data: x.data.map((v) => rounded(v, half)) } : x))
