/** `random`: explicit keys and JAX's bits. A key is used once: split it, or fold a number in. */
export { bits, foldIn, key, split } from './keys.ts'
export { exponential, type FloatOptions, gumbel, normal, truncatedNormal, uniform, type UniformOptions } from './distributions.ts'
export {
  bernoulli,
  categorical,
  type CategoricalOptions,
  permutation,
  type PermutationOptions,
  randint,
  type RandintOptions,
} from './discrete.ts'
