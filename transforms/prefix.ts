/** Options that are a prefix of a tree: one for all leaves below it. */
import { TreeError } from '../src/core/errors.ts'
import { structure, type TreeDef } from '../src/tree.ts'

/** The option of each leaf of a structure. */
export const spread = <T>(prefix: unknown, def: TreeDef, isOption: (x: unknown) => x is T, what: string, path = ''): T[] => {
  if (isOption(prefix)) return count(def).map(() => prefix)
  if (def.kind === 'list' && Array.isArray(prefix)) {
    if (prefix.length !== def.children.length)
      throw new TreeError(`${what}${path}: ${prefix.length} are given for ${def.children.length} values`)
    return def.children.flatMap((child, i) => spread(prefix[i], child, isOption, what, `${path}[${i}]`))
  }
  if (def.kind === 'none' && (prefix === null || prefix === undefined)) return []
  if (def.kind === 'dict' && typeof prefix === 'object' && prefix !== null && !Array.isArray(prefix)) {
    const extra = Object.keys(prefix).find((key) => !def.keys.includes(key))
    if (extra !== undefined) throw new TreeError(`${what}${path}.${extra}: no such value`)
    return def.keys.flatMap((key, i) => {
      if (!Object.hasOwn(prefix, key)) throw new TreeError(`${what}${path}.${key}: missing`)
      return spread((prefix as Readonly<Record<string, unknown>>)[key], def.children[i]!, isOption, what, `${path}.${key}`)
    })
  }
  if (def.kind === 'node') {
    const own = structure(prefix)
    if (own.kind === 'node' && own.type === def.type && own.aux === def.aux && own.children.length === def.children.length) {
      const [children] = def.type.flatten(prefix as never)
      return def.children.flatMap((child, i) => spread(children[i], child, isOption, what, `${path}[${i}]`))
    }
  }
  throw new TreeError(`${what}${path}: not a prefix of the tree`)
}
const count = (def: TreeDef): number[] => (def.kind === 'leaf' ? [0] : def.kind === 'none' ? [] : def.children.flatMap(count))
