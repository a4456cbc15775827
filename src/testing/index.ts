/**
 * cotangent/testing: what property tests of functional array code are made of, on fast-check: random calls of every primitive, random programs, and
 * the values they are drawn from. The package's own laws (test/laws) use nothing else.
 */
export { arrays, type ArraysOptions } from './arrays.ts'
export { checkGrads, type CheckGradsOptions } from './checkGrads.ts'
export { anySizes, arbitrary, Choices, longSizes, type Sizes, type Value } from './choices.ts'
export type { Draw, Generator } from './generator.ts'
export { exactOps, generators, type GeneratorTable, opNames } from './generators.ts'
export { callJaxpr, drawProgram, type Program, type ProgramOptions, programSizes, smoothSizes, viewSizes } from './programs.ts'
