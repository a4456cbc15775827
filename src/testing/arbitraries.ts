/** What property tests of array functions are drawn from: dtypes, shapes, shapes that broadcast, trees, programs. */
import fc from 'fast-check'
import { printJaxpr } from '../core/print.ts'
import type { NdArray } from '../core/array.ts'
import { aval } from '../core/aval.ts'
import type { DType } from '../core/dtype.ts'
import { evalJaxpr, upload } from '../core/trace.ts'
import type { OpName } from '../core/ops.ts'
import { range } from '../core/constructors.ts'
import { arbitrary, type Sizes } from './choices.ts'
import { exactOps, generators, opNames, smoothNames } from './generators.ts'
import { drawProgram, type Program, programSizes, smoothSizes } from './programs.ts'
import { atLeast, dtype, extents as wholeExtents, flag, list, oneOf, plainObject, type Schema } from '../core/options.ts'
import { takes, takesOptions } from '../core/takes.ts'
import { isListOf } from '../core/params.ts'
import { show } from '../core/show.ts'
import { DTypeError } from '../core/errors.ts'

const DTYPES: readonly DType[] = ['float32', 'int32', 'bool', 'uint32', 'float64', 'float16', 'bfloat16']
/** A dtype, float32 the simplest. */
export const dtypes = /* @__PURE__ */ takes('dtypes', 1, (among: readonly DType[] = DTYPES): fc.Arbitrary<DType> => {
  if (!isListOf(among, dtype.is) || among.length === 0) throw new DTypeError(`dtypes: a list of dtypes is needed, and got ${show(among)}`)
  return fc.constantFrom(...among)
})

export interface ShapesOptions {
  readonly minRank?: number
  readonly maxRank?: number
  /** To choose from, the simplest first. Default 2, 1, 3, 0, 4, 5, 9: empty axes, axes of one, and more than a vector register holds. */
  readonly extents?: readonly number[]
}
const shapesOptions: Schema<ShapesOptions> = { minRank: atLeast(0), maxRank: atLeast(0), extents: wholeExtents }
/** A shape. */
export const shapes = /* @__PURE__ */ takesOptions(
  'shapes',
  1,
  shapesOptions,
  ({ minRank = 0, maxRank = 3, extents = [2, 1, 3, 0, 4, 5, 9] }: ShapesOptions = {}): fc.Arbitrary<readonly number[]> =>
    fc.array(fc.constantFrom(...extents), { minLength: minRank, maxLength: maxRank }),
)

export interface Broadcast {
  readonly shapes: readonly (readonly number[])[]
  /** What they broadcast to. */
  readonly result: readonly number[]
}
/** So many shapes that broadcast to one: with axes of one, and with fewer axes. */
export const broadcastableShapes = /* @__PURE__ */ takesOptions(
  'broadcastableShapes',
  2,
  shapesOptions,
  (count: number = 2, options: ShapesOptions = {}): fc.Arbitrary<Broadcast> =>
    shapes(options).chain((result) => {
      const one = fc
        .tuple(fc.nat(result.length), fc.array(fc.boolean(), { minLength: result.length, maxLength: result.length }))
        .map(([dropped, ones]) => result.map((n, d) => (ones[d] ? 1 : n)).slice(dropped))
      return fc
        .array(one, { minLength: count, maxLength: count })
        .map((list) => [...list.slice(0, -1), result].map((shape, i, all) => (i === all.length - 1 ? result : shape)))
        .map((all) => ({ shapes: all, result }))
    }),
)

/** A tree, as JavaScript writes it. */
export type Tree<T> = T | null | readonly Tree<T>[] | { readonly [key: string]: Tree<T> }
export interface PytreesOptions {
  /** Default 3. */
  readonly maxDepth?: number
}
const pytreesOptions: Schema<PytreesOptions> = { maxDepth: atLeast(0) }
/** A tree of leaves: lists and objects, empty ones and null among them. */
export const pytrees = /* @__PURE__ */ takesOptions(
  'pytrees',
  2,
  pytreesOptions,
  <T>(leaf: fc.Arbitrary<T>, { maxDepth = 3 }: PytreesOptions = {}): fc.Arbitrary<Tree<T>> =>
    fc.letrec<{ tree: Tree<T> }>((tie) => ({
      tree: fc.oneof(
        { maxDepth, depthIdentifier: 'tree', withCrossShrink: true },
        leaf,
        fc.array(tie('tree'), { maxLength: 3, depthIdentifier: 'tree' }),
        fc.dictionary(fc.constantFrom('w', 'b', 'scale', 'x'), tie('tree'), { maxKeys: 3, depthIdentifier: 'tree', noNullPrototype: true }),
        fc.constant(null),
      ),
    })).tree,
)

/** A function made of random operations, and arguments for it. */
export interface DrawnProgram {
  readonly f: (...args: readonly NdArray[]) => readonly NdArray[]
  readonly args: readonly NdArray[]
  readonly jaxpr: Program['jaxpr']
}
export interface ProgramsOptions {
  /** The operations to draw from. Default: those whose results are the same on every device, with loops, branches and custom rules; of `smooth` ones, those that have derivatives. */
  readonly ops?: readonly OpName[]
  /** Operations at most. Default 6. */
  readonly steps?: number
  /** In float64, at places where there are derivatives. */
  readonly smooth?: boolean
  readonly sizes?: Sizes
}
const programsOptions: Schema<ProgramsOptions> = {
  ops: list(oneOf(...opNames)),
  steps: atLeast(1),
  smooth: flag,
  sizes: plainObject(),
}
/** Well-typed programs that shrink to fewer and simpler operations; a counterexample shows the program and its arguments. */
export const programs = /* @__PURE__ */ takesOptions(
  'programs',
  1,
  programsOptions,
  ({
    smooth = false,
    ops = smooth ? smoothNames : [...exactOps, 'jit', 'scan', 'while', 'cond', 'checkpoint', 'customJvp'],
    steps = 6,
    sizes = smooth ? smoothSizes : programSizes,
  }: ProgramsOptions = {}): fc.Arbitrary<DrawnProgram> =>
    arbitrary((c) => drawProgram(c, generators, { ops, steps, smooth }), sizes).map(({ jaxpr, inputs }) => {
      const drawn: DrawnProgram = {
        jaxpr,
        f: (...args) => evalJaxpr(jaxpr, args),
        args: inputs.map(({ aval: { shape, dtype, weak }, data }) => upload(aval(shape, dtype, weak), data)),
      }
      const text = (): string => `${printJaxpr(jaxpr)}\n${range(inputs.length).map((i) => String(inputs[i]!.data)).join('\n')}` // prettier-ignore
      return Object.defineProperty(drawn, fc.toStringMethod, { value: text })
    }),
)
