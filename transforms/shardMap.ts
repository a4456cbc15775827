/** shardMap: a program for a mesh of devices, each with its own part of the arrays. What it means is defined by vmap, so one device can run it. */
import * as O from '#fp-ts/Option.js'
import { NdArray } from '../src/core/array.ts'
import { type Aval, showAval } from '../src/core/aval.ts'
import { range, reshape, transpose } from '../src/core/constructors.ts'
import { ShapeError } from '../src/core/errors.ts'
import type { BatchDim, Traced } from '../src/core/rules.ts'
import { applyJaxpr, evalJaxpr, trace } from '../src/core/trace.ts'
import { runtime } from '../src/core/runtime.ts'
import { paths, unflatten } from '../src/tree.ts'
import { called, flatFunction, flattenArrays } from './leaves.ts'
import { spread } from './prefix.ts'
import { overBatch } from './vmap.ts'
import { atLeast, needed, option, recordOf, type Schema } from '../src/core/options.ts'
import { takesOptions } from '../src/core/takes.ts'

/** How an array lies on a mesh: for each of its axes the mesh axes that divide it (the first outermost), or null. Later axes aren't divided. */
export class PartitionSpec {
  readonly axes: readonly (readonly string[])[]
  constructor(axes: readonly (string | readonly string[] | null)[]) {
    this.axes = axes.map((names) => (names === null ? [] : typeof names === 'string' ? [names] : names))
  }
  toString(): string {
    return `P(${this.axes.map((names) => (names.length === 0 ? 'null' : JSON.stringify(names.length === 1 ? names[0] : names))).join(', ')})`
  }
}
/**
 * A PartitionSpec: for each axis of an array the mesh axis, or axes, that divide it, or null. As `jax.sharding.PartitionSpec`.
 *
 * @example String(P('data', null)) // P("data", null)
 */
export const P = (...axes: readonly (string | readonly string[] | null)[]): PartitionSpec => new PartitionSpec(axes)

/** A spec for all arrays below, or a tree of them. */
export type Specs = PartitionSpec | readonly Specs[] | { readonly [key: string]: Specs }
const isSpec = (x: unknown): x is PartitionSpec => x instanceof PartitionSpec

export interface ShardMapOptions {
  /** The mesh's axes by name, and how many devices there are along each. */
  readonly mesh: Readonly<Record<string, number>>
  /** How the arguments are divided: a prefix of their list. */
  readonly inSpecs: Specs
  /** How the results are put together. A mesh axis that a spec doesn't name must not change the result. */
  readonly outSpecs: Specs
}
const specs = needed(
  option<Specs>(ShapeError, 'a spec P(…), or a tree of them', (x) => typeof x === 'object' && x !== null && !(x instanceof NdArray)),
)
const shardMapOptions: Schema<ShardMapOptions> = { mesh: needed(recordOf(atLeast(1))), inSpecs: specs, outSpecs: specs }

/**
 * f, written for one device of a mesh: it gets its own part of each argument, speaks with the others by `lax.psum` and the other collectives, and its
 * results are put together. On one device all parts are computed there, as under a vmap for each mesh axis. As `jax.shard_map`.
 *
 * @example shardMap((x: NdArray) => lax.psum(x.sum(), 'i'), { mesh: { i: 2 }, inSpecs: P('i'), outSpecs: P() })(np.array([1, 2, 3, 4])) // 10
 * @throws ShapeError where arrays can't be divided so, or a result changes along a mesh axis that outSpecs doesn't name
 */
export const shardMap = /* @__PURE__ */ takesOptions(
  'shardMap',
  2,
  shardMapOptions,
  <A extends readonly unknown[], R>(f: (...args: A) => R, options: ShardMapOptions): ((...args: A) => R) => {
    const what = called('shardMap', f)
    const mesh = Object.entries(options.mesh)
    if (mesh.length === 0) throw new ShapeError(`${what}: the mesh needs a name and a number of devices for each axis, such as { data: 8 }`)
    const layout = new Layout(mesh, what)
    return (...args) => {
      const { leaves, def } = flattenArrays(args, what)
      const at = paths(args)
      const specs = spread(options.inSpecs, def, isSpec, `${what}: inSpecs`)
      specs.forEach((spec, i) => layout.check(spec, leaves[i]!.aval, `argument ${at[i]}`, (name) => layout.sizes.get(name)!))
      const flat = flatFunction(f as (...args: never[]) => unknown, def, what)
      const local = leaves.map((x, i): Aval => ({ ...x.aval, shape: layout.partOf(specs[i]!, x.shape) }))
      const within = mesh.reduceRight<() => Traced>((inner, [name, size]) => () => runtime.axes.within(name, size, inner), () => trace(local, flat.call, what)) // prettier-ignore
      let traced = within()
      const outSpecs = spread(options.outSpecs, flat.out(), isSpec, `${what}: outSpecs`)
      outSpecs.forEach((spec, i) => layout.check(spec, traced.jaxpr.outs[i]!.aval, `result ${i}`, () => 1))
      for (const [name, size] of [...mesh].reverse()) {
        const dims = specs.map((spec): BatchDim => (names(spec).includes(name) ? O.some(0) : O.none))
        const outAxes = outSpecs.map((spec) => (names(spec).includes(name) ? 0 : null))
        traced = overBatch(
          traced,
          dims,
          outAxes,
          { name, size },
          what,
          (i) =>
            `${what}: result ${i} changes along the mesh axis ${JSON.stringify(name)}, which its spec ${String(outSpecs[i])} doesn't name: name it, or reduce over it with lax.psum or lax.pmean`,
        )
      }
      const { jaxpr, captures } = trace(
        [...traced.captures, ...leaves].map((x) => x.aval),
        (xs) => {
          const own = xs.slice(traced.captures.length).map((x, i) => layout.divide(specs[i]!, x))
          return evalJaxpr(traced.jaxpr, [...xs.slice(0, traced.captures.length), ...own]).map((y, i) => layout.join(outSpecs[i]!, y))
        },
        what,
      )
      return unflatten(flat.out(), applyJaxpr(jaxpr, [...captures, ...traced.captures, ...leaves], what)) as R
    }
  },
)

const names = (spec: PartitionSpec): readonly string[] => spec.axes.flat()

/** Arrays divided over a mesh: the mesh axes that a spec names stand in front, in the mesh's order, and the array's own behind them. */
class Layout {
  readonly sizes: ReadonlyMap<string, number>
  readonly what: string
  constructor(mesh: readonly (readonly [string, number])[], what: string) {
    this.sizes = new Map(mesh)
    this.what = what
  }

  check(spec: PartitionSpec, aval: Aval, which: string, parts: (name: string) => number): void {
    const refuse = (reason: string): never => {
      throw new ShapeError(`${this.what}: ${which} is ${showAval(aval)}, and its spec ${String(spec)} ${reason}`)
    }
    const all = names(spec)
    const unknown = all.find((name) => !this.sizes.has(name))
    if (unknown !== undefined) refuse(`names ${JSON.stringify(unknown)}: the mesh has ${[...this.sizes.keys()].join(', ')}`)
    if (new Set(all).size !== all.length) refuse('names a mesh axis twice')
    if (spec.axes.length > aval.shape.length) refuse('has more axes')
    spec.axes.forEach((own, d) => {
      const n = own.reduce((product, name) => product * parts(name), 1)
      if (aval.shape[d]! % n !== 0) refuse(`divides axis ${d} into ${n} equal parts, which can't be`)
    })
  }

  partOf(spec: PartitionSpec, shape: readonly number[]): readonly number[] {
    return shape.map((n, d) => (spec.axes[d] ?? []).reduce((rest, name) => rest / this.sizes.get(name)!, n))
  }

  /** For each axis of the array in turn the mesh axes that divide it and what is left of it: those of the mesh by name, the rest as numbers. */
  private parts(spec: PartitionSpec, rank: number): readonly (string | number)[] {
    return range(rank).flatMap((d): (string | number)[] => [...(spec.axes[d] ?? []), d])
  }
  private inFront(parts: readonly (string | number)[]): readonly (string | number)[] {
    return [...[...this.sizes.keys()].filter((name) => parts.includes(name)), ...parts.filter((part) => typeof part === 'number')]
  }

  divide(spec: PartitionSpec, x: NdArray): NdArray {
    const local = this.partOf(spec, x.shape)
    const parts = this.parts(spec, x.ndim)
    const split = reshape(x, parts.map((part) => (typeof part === 'string' ? this.sizes.get(part)! : local[part]!))) // prettier-ignore
    return transpose(split, this.inFront(parts).map((part) => parts.indexOf(part))) // prettier-ignore
  }

  join(spec: PartitionSpec, y: NdArray): NdArray {
    const count = names(spec).length
    const local = y.shape.slice(count)
    const parts = this.parts(spec, local.length)
    const front = this.inFront(parts)
    const inPlace = transpose(y, parts.map((part) => front.indexOf(part))) // prettier-ignore
    return reshape(inPlace, local.map((n, d) => (spec.axes[d] ?? []).reduce((whole, name) => whole * this.sizes.get(name)!, n))) // prettier-ignore
  }
}
