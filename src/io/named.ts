/** Trees of arrays by name: `.blocks[2].attn.qkv.w` is called `blocks.2.attn.qkv.w` in a file. */
import type { NdArray } from '../core/array.ts'
import { showAval } from '../core/aval.ts'
import * as tree from '../tree.ts'
import { FileError } from './errors.ts'
import type { Tensors } from './safetensors.ts'

export interface NameOptions {
  /** Put before every name: `params.` gives `params.wte.w`. Default: nothing. */
  readonly prefix?: string
}
const nameOf = (path: string, prefix: string): string => prefix + path.replace(/\[(\d+)\]/g, '.$1').replace(/^\./, '')

/** The leaves of a tree by name. `toNamed({ a: [x, y] }) // { 'a.0': x, 'a.1': y }` */
export const toNamed = (params: unknown, { prefix = '' }: NameOptions = {}): Tensors => {
  const paths = tree.paths(params)
  return Object.fromEntries((tree.leaves(params) as NdArray[]).map((leaf, i) => [nameOf(paths[i]!, prefix), leaf]))
}

/**
 * The tree like `like` whose leaves are the arrays of those names; only shapes and dtypes of `like` are read. With a prefix, names without it
 * are left alone. `source` is what errors call the file.
 *
 * @example const params = fromNamed(gpt.init(key, config), (await readSafetensors(path)).tensors, path)
 * @throws FileError naming the tensor that is missing, has another shape or dtype, or has no place in the tree
 */
export const fromNamed = <T>(like: T, tensors: Tensors, source = 'these tensors', { prefix = '' }: NameOptions = {}): T => {
  const found = new Set<string>()
  const out = tree.mapWithPath((path, leaf) => {
    const name = nameOf(path, prefix)
    const tensor = Object.hasOwn(tensors, name) ? tensors[name]! : null
    if (tensor === null) throw new FileError(`${source} has no tensor ${JSON.stringify(name)}, which should be ${showAval(leaf.aval)}`)
    if (tensor.dtype !== leaf.dtype || tensor.shape.join() !== leaf.shape.join())
      throw new FileError(`${source} holds ${name} as ${showAval(tensor.aval)}, and ${showAval(leaf.aval)} was expected`)
    found.add(name)
    return tensor
  }, like)
  const extra = Object.keys(tensors).find((name) => name.startsWith(prefix) && !found.has(name))
  if (extra !== undefined) throw new FileError(`${source} holds ${JSON.stringify(extra)}, which has no place in what is to be filled`)
  return out
}
