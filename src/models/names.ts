/** Which tensor of a file is which leaf of a tree, both ways. */
import { NdArray } from '../core/array.ts'
import { type Aval, eqShape, showAval } from '../core/aval.ts'
import { isFloat } from '../core/dtype.ts'
import { CotangentError } from '../core/errors.ts'
import { show } from '../core/show.ts'
import { FileError } from '../io/errors.ts'
import * as random from '../random/index.ts'
import * as tree from '../tree.ts'
import { evalShape } from '../../transforms/jaxprs.ts'
import { scope } from '../../transforms/scope.ts'

/** The part of a family that says it. */
export interface Naming {
  readonly names: Readonly<Record<string, string>>
  readonly base: string
  readonly older?: Readonly<Record<string, string>>
  readonly ignored?: RegExp
}

const leafNames: Readonly<Record<string, string>> = { weight: 'weight', w: 'weight', scale: 'weight', bias: 'bias', b: 'bias' }
/** `.layers[3].attn.q.weight` -> `model.layers.3.self_attn.q_proj.weight` */
export const nameOf = ({ names }: Naming, path: string): string => {
  const plain = path.replace(/^\./, '')
  const numbers = [...plain.matchAll(/\[(\d+)\]/g)].map(([, n]) => n!)
  const pattern = plain.replace(/\[\d+\]/g, '.#')
  const at = pattern.lastIndexOf('.')
  const [module, leaf] = [names[pattern.slice(0, at)], leafNames[pattern.slice(at + 1)]]
  const name = names[pattern] ?? (module === undefined || leaf === undefined ? undefined : `${module}.${leaf}`)
  if (name === undefined)
    throw new CotangentError(`the family has no name for ${path} in its names: leaves that aren't weight or bias need their whole path`)
  let next = 0
  return name.replace(/#/g, () => numbers[next++]!)
}

/** The leaves of a tree that a function makes, without making it. */
export interface Layout {
  readonly paths: readonly string[]
  readonly avals: readonly Aval[]
  readonly def: tree.TreeDef
}
export const layoutOf = (init: (key: NdArray) => unknown): Layout => {
  let layout: Layout | null = null
  const read = (key: NdArray): readonly NdArray[] => {
    const made = init(key)
    layout = { paths: tree.paths(made), avals: (tree.leaves(made) as NdArray[]).map(({ aval }) => aval), def: tree.structure(made) }
    return []
  }
  scope(() => evalShape(read)(random.key(0)))
  return layout!
}

/** The tensors of a source, which errors call `what`. */
interface Tensors {
  readonly what: string
  readonly shapes: ReadonlyMap<string, readonly number[]>
}
/** Which of the source's tensors are the leaves, in order. All that is missing, misshapen or has no place is listed at once. */
export const matched = (naming: Naming, { paths, avals }: Layout, { what, shapes }: Tensors): readonly string[] => {
  const found = paths.map((path) => {
    const name = nameOf(naming, path)
    const bare = name.startsWith(naming.base) ? name.slice(naming.base.length) : name
    const older = Object.entries(naming.older ?? {}).flatMap(([to, from]) => [name, bare].map((n) => n.replace(to, from)))
    return [name, bare, ...older].find((n) => shapes.has(n)) ?? null
  })
  const missing = paths.flatMap((path, i) => (found[i] === null ? [`${nameOf(naming, path)}: ${showAval(avals[i]!)}`] : []))
  const misshapen = found.flatMap((name, i) => {
    const is = name === null ? null : shapes.get(name)!
    return is === null || is.join() === avals[i]!.shape.join()
      ? []
      : [`${name}: [${is.join(',')}], expected [${avals[i]!.shape.join(',')}]`]
  })
  const known = new Set<string | null>(found)
  const extra = [...shapes.keys()].filter((name) => !known.has(name) && naming.ignored?.test(name) !== true)
  // A file may hold the head of a model beside the embedding that it is, and heads of other tasks.
  const unexpected = extra.filter((name) => name.startsWith(naming.base) || naming.base === '' || missing.length > 0)
  const faults = [
    ...(missing.length > 0 ? [`missing: ${missing.join('; ')}`] : []),
    ...(misshapen.length > 0 ? [`of another shape: ${misshapen.join('; ')}`] : []),
    ...(unexpected.length > 0 ? [`with no place in the model: ${unexpected.join('; ')}`] : []),
  ]
  if (faults.length > 0) throw new FileError(`${what} doesn't fit the model: ${faults.join('. ')}`)
  return found as readonly string[]
}

/** At most so many names of a fault are told. */
const TOLD = 20
const told = (noun: string, names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`${noun}: ${names.slice(0, TOLD).join(', ')}${names.length > TOLD ? ` and ${names.length - TOLD} more` : ''}`]
/** A model's parameters by their names in files, or what is wrong with them: only what the model is made of can be read again. */
export const tensorsOf = (naming: Naming, { paths, avals }: Layout, params: unknown): Readonly<Record<string, NdArray>> | string => {
  const given = new Map(tree.paths(params).map((path, i) => [path, (tree.leaves(params) as unknown[])[i]]))
  const unfit = paths.flatMap((path, i) => {
    const [leaf, { shape }] = [given.get(path), avals[i]!]
    if (!given.has(path) || (leaf instanceof NdArray && eqShape(leaf.shape, shape) && isFloat(leaf.dtype))) return []
    return [`${path} (${show(leaf)} for floats [${shape.join(',')}])`]
  })
  const known = new Set(paths)
  const faults = [
    ...told('missing', paths.filter((path) => !given.has(path))), // prettier-ignore
    ...told('unfit', unfit),
    ...told('of no place in it', [...given.keys()].filter((path) => !known.has(path))), // prettier-ignore
  ]
  if (faults.length > 0) return faults.join('; ')
  return Object.fromEntries(paths.map((path) => [nameOf(naming, path), given.get(path) as NdArray]))
}
