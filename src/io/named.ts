/** Trees of arrays by name: `.blocks[2].attn.qkv.w` is called `blocks.2.attn.qkv.w` in a file. */
import { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import * as tree from '../tree.ts'
import { FileError } from './errors.ts'
import { quoted } from './scan.ts'
import type { Tensors } from './safetensors.ts'
import { type Schema, text } from '../core/options.ts'
import { takesOptions } from '../core/takes.ts'
import { reading, show } from '../core/show.ts'
import { isPlain } from './header.ts'

export interface NameOptions {
  /** Put before every name: `params.` gives `params.wte.w`. Default: nothing. */
  readonly prefix?: string
}
const nameOptions: Schema<NameOptions> = { prefix: text }
/** Each leaf of a tree under its own name. */
const named = (what: string, params: unknown, prefix: string): ReadonlyMap<string, NdArray> => {
  const paths = tree.paths(params)
  const out = new Map<string, NdArray>()
  ;(tree.leaves(params) as unknown[]).forEach((leaf, i) => {
    const name = prefix + paths[i]!.replace(/\[(\d+)\]/g, '.$1').replace(/^\./, '')
    if (!(leaf instanceof NdArray)) throw new FileError(`${what}: ${quoted(name)} is no array: make one with np.array`)
    if (out.has(name))
      throw new FileError(`${what}: two arrays of the tree are called ${quoted(name)}: rename one of the keys that make up the name`)
    out.set(name, leaf)
  })
  return out
}

/**
 * The leaves of a tree by name. `toNamed({ a: [x, y] }) // { 'a.0': x, 'a.1': y }`
 *
 * @throws FileError where two leaves have one name, as in `{ 'a.b': x, a: { b: y } }`, or a leaf is no array
 */
export const toNamed = /* @__PURE__ */ takesOptions(
  'toNamed',
  2,
  nameOptions,
  (params: unknown, { prefix = '' }: NameOptions = {}): Tensors => Object.fromEntries(named('toNamed', params, prefix)),
)

/**
 * The tree like `like` whose leaves are the arrays of those names; only shapes and dtypes of `like` are read. With a prefix, names without it
 * are left alone. `source` is what errors call the file.
 *
 * @example const params = fromNamed(gpt.init(key, config), (await readSafetensors(path)).tensors, path)
 * @throws FileError naming the tensor that is missing, has another shape or dtype, or has no place in the tree, or has two
 */
export const fromNamed = /* @__PURE__ */ takesOptions(
  'fromNamed',
  4,
  nameOptions,
  <T>(like: T, tensors: Tensors, source: string = 'these tensors', { prefix = '' }: NameOptions = {}): T => {
    if (typeof source !== 'string') throw new FileError(`fromNamed: what errors call the tensors is a text, and got ${show(source)}`)
    if (!isPlain(tensors)) throw new FileError(`fromNamed: ${show(tensors)} is no object of arrays by name`)
    const places = named('fromNamed', like, prefix)
    const found = [...places].map(([name, leaf]) => {
      const tensor = Object.hasOwn(tensors, name) ? tensors[name]! : null
      if (tensor === null) throw new FileError(`${source} has no tensor ${quoted(name)}, which should be ${showAval(leaf.aval)}`)
      if (tensor.dtype !== leaf.dtype || tensor.shape.join() !== leaf.shape.join())
        throw new FileError(`${source} holds ${name} as ${showAval(tensor.aval)}, and ${showAval(leaf.aval)} was expected`)
      return tensor
    })
    const extra = reading(FileError, 'fromNamed: what holds the tensors', () => Object.keys(tensors)).find(
      (name) => name.startsWith(prefix) && !places.has(name),
    )
    if (extra !== undefined) throw new FileError(`${source} holds ${quoted(extra)}, which has no place in what is to be filled`)
    return tree.unflatten(tree.structure(like), found) as T
  },
)
