/**
 * cotangent/testing: property tests of functional array code, on fast-check: what to draw from (dtypes, shapes, arrays, trees, random calls of every
 * primitive, random programs), checks of one function, and the laws of transforms as properties of it. The package's own laws (test/laws) are made of it.
 *
 * @example
 * import { checkJit } from 'cotangent/testing'
 * import { type NdArray, np } from 'cotangent'
 * checkJit((x: NdArray) => np.sin(x), [np.array([0.5])]) // undefined
 */
import '../runtime.ts'
export {
  type Broadcast,
  broadcastableShapes,
  type DrawnProgram,
  dtypes,
  programs,
  type ProgramsOptions,
  pytrees,
  shapes,
  type ShapesOptions,
  type Tree,
} from './arbitraries.ts'
export { arrays, type ArraysOptions } from './arrays.ts'
export { checkGrads, type CheckGradsOptions } from './checkGrads.ts'
export {
  checkJit,
  type CheckOptions,
  checkTranspose,
  checkVmap,
  type CheckVmapOptions,
  type DevicesOptions,
  sameOnAllDevices,
} from './checks.ts'
export { anySizes, arbitrary, Choices, longSizes, type Sizes, type Value } from './choices.ts'
export type { Draw, Generator } from './generator.ts'
export { exactOps, generators, type GeneratorTable, opNames } from './generators.ts'
export { laws, type Laws, type LawsOptions } from './laws.ts'
export { callJaxpr, drawProgram, type Program, type ProgramOptions, programSizes, smoothSizes, viewSizes } from './programs.ts'
