/** Pytrees: arrays in tuples, sorted-key objects and registered nodes. null and undefined are empty nodes. */
import { NdArray } from './core/array.ts'
import { TreeError } from './core/errors.ts'
import { takes } from './core/takes.ts'
import { isDense, isListOf } from './core/params.ts'
import { reading, show } from './core/show.ts'

/** The structure of a tree without its leaves; equal texts are equal structures. */
export type TreeDef =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'none'; readonly value: null | undefined }
  | { readonly kind: 'list'; readonly children: readonly TreeDef[] }
  | { readonly kind: 'dict'; readonly keys: readonly string[]; readonly children: readonly TreeDef[] }
  | { readonly kind: 'node'; readonly type: NodeType; readonly aux: unknown; readonly children: readonly TreeDef[] }

interface NodeType {
  readonly name: string
  readonly flatten: (node: never) => readonly [children: readonly unknown[], aux: unknown]
  readonly unflatten: (aux: unknown, children: readonly unknown[]) => unknown
}
const registered = new Map<unknown, NodeType>()

const functionOf = <F>(what: string, f: F): F => {
  if (typeof f !== 'function') throw new TreeError(`tree.${what}: a function comes first, and this is ${typeof f}`)
  return f
}
/** Whether a value has a structure's form: one from outside may be anything. */
const isDef = (x: unknown, depth = 0): x is TreeDef => {
  if (typeof x !== 'object' || x === null || depth > DEEPEST) return false
  const { kind, value, keys, children, type } = x as Readonly<Record<string, unknown>>
  const within = (): boolean => isListOf(children, (child) => isDef(child, depth + 1))
  switch (kind) {
    case 'leaf':
      return true
    case 'none':
      return value === null || value === undefined
    case 'list':
      return within()
    case 'dict':
      return within() && isListOf(keys, (key) => typeof key === 'string') && keys.length === (children as readonly unknown[]).length
    default:
      return kind === 'node' && within() && typeof (type as NodeType | null)?.unflatten === 'function'
  }
}
const defOf = (what: string, def: unknown): TreeDef => {
  if (!reading(TreeError, 'a tree', () => isDef(def)))
    throw new TreeError(`tree.${what}: a structure is needed, and this is ${show(def)}: make one with tree.structure`)
  return def as TreeDef
}

/**
 * Makes instances of a class inner nodes of trees: how to take one apart, and to build one. `aux` is compared with ===, so keep it primitive
 * or interned. As `jax.tree_util.register_pytree_node`.
 *
 * @throws TreeError when an argument is no function
 * @example class Pair { constructor(readonly a: NdArray, readonly b: NdArray) {} }
 * tree.registerNode(Pair, (p) => [[p.a, p.b], null], (_, [a, b]) => new Pair(a as NdArray, b as NdArray))
 * tree.map((x) => x.mul(2), new Pair(np.array(1), np.array(2))).b // 4
 */
export const registerNode = /* @__PURE__ */ takes(
  'tree.registerNode',
  3,
  <T, A>(
    constructor: new (...args: never[]) => T,
    flatten: (node: T) => readonly [children: readonly unknown[], aux: A],
    unflatten: (aux: A, children: readonly unknown[]) => T,
  ): void => {
    for (const f of [constructor, flatten, unflatten]) functionOf('registerNode', f)
    registered.set(constructor, {
      name: constructor.name,
      flatten: flatten as NodeType['flatten'],
      unflatten: unflatten as NodeType['unflatten'],
    })
  },
)

const LEAF: TreeDef = { kind: 'leaf' }
export const isDict = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && (Object.getPrototypeOf(x) === Object.prototype || Object.getPrototypeOf(x) === null)

/** So deep are trees at most. */
const DEEPEST = 1000
const walk = (x: unknown, leaves: unknown[], depth: number, root: unknown): TreeDef => {
  if (x === null || x === undefined) return { kind: 'none', value: x }
  if (x instanceof NdArray) {
    leaves.push(x)
    return LEAF
  }
  const type = nodeTypeOf(x)
  if (type === null) {
    leaves.push(x)
    return LEAF
  }
  if (depth > DEEPEST) throw noTree(root)
  if (type === 'list') {
    const [xs, children] = [x as readonly unknown[], [] as TreeDef[]]
    for (let i = 0; i < xs.length; i++) {
      if (!(i in xs)) throw noTree(root)
      children.push(walk(xs[i], leaves, depth + 1, root))
    }
    return { kind: 'list', children }
  }
  if (type === 'dict') {
    const own = x as Readonly<Record<string, unknown>>
    const keys = Object.keys(own).sort()
    return { kind: 'dict', keys, children: keys.map((k) => walk(own[k], leaves, depth + 1, root)) }
  }
  const [children, aux] = type.flatten(x as never)
  return { kind: 'node', type, aux, children: children.map((child) => walk(child, leaves, depth + 1, root)) }
}
/** What kind of inner node a value is; null for a leaf. */
const nodeTypeOf = (x: unknown): 'list' | 'dict' | NodeType | null =>
  Array.isArray(x) ? 'list' : isDict(x) ? 'dict' : typeof x === 'object' && x !== null ? (registered.get(x.constructor) ?? null) : null

/** Why this is no tree, with the place: a list with a hole, or what contains itself. */
const noTree = (root: unknown): TreeError => {
  const above: unknown[] = []
  const at: string[] = []
  const path = (steps: number): string => at.slice(0, steps).join('') || 'the root'
  const search = (x: unknown): string | null => {
    const type = nodeTypeOf(x)
    if (type === null) return null
    if (above.includes(x)) return `a tree contains itself: what is at ${path(above.indexOf(x))} is at ${path(at.length)} again`
    if (at.length > DEEPEST) return `a tree is more than ${DEEPEST} deep`
    above.push(x)
    for (const [step, child] of childrenOf(x, type)) {
      at.push(step)
      const found = child === HOLE ? `a list has a hole at ${path(at.length)}: null stands for nothing` : search(child)
      if (found !== null) return found
      at.pop()
    }
    above.pop()
    return null
  }
  return new TreeError(search(root) ?? 'a tree changes while it is read')
}
const HOLE = Symbol('hole')
function* childrenOf(x: unknown, type: 'list' | 'dict' | NodeType): Generator<readonly [step: string, child: unknown]> {
  if (type === 'dict') for (const key of Object.keys(x as object).sort()) yield [`.${key}`, (x as Readonly<Record<string, unknown>>)[key]]
  else {
    const children = type === 'list' ? (x as readonly unknown[]) : type.flatten(x as never)[0]
    for (let i = 0; i < children.length; i++) yield [`[${i}]`, i in children ? children[i] : HOLE]
  }
}
/**
 * Leaves in order (object keys sorted) and the structure. As `jax.tree.flatten`.
 *
 * @example tree.flatten({ b: 1, a: [2, null] })[0] // [2, 1]
 */
export const flatten = /* @__PURE__ */ takes('tree.flatten', 1, (tree: unknown): readonly [leaves: unknown[], def: TreeDef] => {
  const leaves: unknown[] = []
  const def = reading(TreeError, 'a tree', () => walk(tree, leaves, 0, tree))
  return [leaves, def]
})

/**
 * Appends the leaves of `tree` to `out` where its structure is `def` and its leaves are arrays, numbers or booleans; false where not.
 */
export const flattenLike = (def: TreeDef, tree: unknown, out: unknown[]): boolean => {
  switch (def.kind) {
    case 'leaf':
      out.push(tree)
      return tree instanceof NdArray || typeof tree === 'number' || typeof tree === 'boolean'
    case 'none':
      return tree === def.value
    case 'list':
      if (!Array.isArray(tree)) return false
      return childrenLike(def.children, tree, out)
    case 'dict': {
      const { keys, children } = def
      if (!isDict(tree) || Object.keys(tree).length !== keys.length) return false
      for (let i = 0; i < keys.length; i++)
        if (!Object.hasOwn(tree, keys[i]!) || !flattenLike(children[i]!, tree[keys[i]!], out)) return false
      return true
    }
    case 'node': {
      if (typeof tree !== 'object' || tree === null || registered.get(tree.constructor) !== def.type) return false
      const [children, aux] = def.type.flatten(tree as never)
      return aux === def.aux && childrenLike(def.children, children, out)
    }
  }
}
const childrenLike = (defs: readonly TreeDef[], children: readonly unknown[], out: unknown[]): boolean => {
  if (children.length !== defs.length) return false
  for (let i = 0; i < defs.length; i++) if (!flattenLike(defs[i]!, children[i], out)) return false
  return true
}

/**
 * The tree of a structure with these leaves. As `jax.tree.unflatten`.
 *
 * @throws TreeError when there are more or fewer leaves than places
 * @example tree.unflatten(tree.structure({ a: 0, b: [0] }), [1, 2]) // { a: 1, b: [2] }
 */
export const unflatten = /* @__PURE__ */ takes('tree.unflatten', 2, (def: TreeDef, leaves: readonly unknown[]): unknown => {
  if (!isDense(leaves)) throw new TreeError(`tree.unflatten: a list of leaves is needed, and this is ${show(leaves)}`)
  return rebuild(defOf('unflatten', def), leaves)
})
/** The same of a structure that is known to be one. */
export const rebuild = (def: TreeDef, leaves: readonly unknown[]): unknown => {
  let next = 0
  const build = (d: TreeDef): unknown => {
    switch (d.kind) {
      case 'leaf':
        return leaves[next++]
      case 'none':
        return d.value
      case 'list':
        return d.children.map(build)
      case 'dict': {
        const { keys, children } = d
        const dict: Record<string, unknown> = {}
        for (let i = 0; i < keys.length; i++) {
          const value = build(children[i]!)
          if (keys[i] === '__proto__')
            Object.defineProperty(dict, '__proto__', { value, enumerable: true, configurable: true, writable: true })
          else dict[keys[i]!] = value
        }
        return dict
      }
      case 'node':
        return d.type.unflatten(d.aux, d.children.map(build))
    }
  }
  const tree = build(def)
  if (next !== leaves.length) throw new TreeError(`tree.unflatten: ${leaves.length} leaves for a structure of ${next}`)
  return tree
}

/** The structure as text: `{"a": *, "b": [*, *]}`. */
export const showDef = (d: TreeDef): string => {
  switch (d.kind) {
    case 'leaf':
      return '*'
    case 'none':
      return String(d.value)
    case 'list':
      return `[${d.children.map(showDef).join(', ')}]`
    case 'dict':
      return `{${d.keys.map((k, i) => `${JSON.stringify(k)}: ${showDef(d.children[i]!)}`).join(', ')}}`
    case 'node':
      return `${d.type.name}<${String(d.aux)}>(${d.children.map(showDef).join(', ')})`
  }
}

/**
 * The first place at which two structures differ, as `at .a[2]: …`; null where they don't.
 */
export const difference = (a: TreeDef, b: TreeDef, path = ''): string | null => {
  if (a.kind !== b.kind) return `at ${path || 'the root'}: ${showDef(a)} on the left, ${showDef(b)} on the right`
  if (a.kind === 'leaf' || a.kind === 'none' || b.kind === 'leaf' || b.kind === 'none') return null
  if (a.kind === 'dict' && b.kind === 'dict') {
    const missing = a.keys.find((k) => !b.keys.includes(k))
    if (missing !== undefined) return `at ${path}.${missing}: missing on the right`
    const extra = b.keys.find((k) => !a.keys.includes(k))
    if (extra !== undefined) return `at ${path}.${extra}: missing on the left`
  } else if (a.children.length !== b.children.length)
    return `at ${path || 'the root'}: ${a.children.length} children on the left, ${b.children.length} on the right`
  else if (a.kind === 'node' && b.kind === 'node' && (a.type !== b.type || a.aux !== b.aux))
    return `at ${path || 'the root'}: ${showDef(a)} on the left, ${showDef(b)} on the right`
  for (let i = 0; i < a.children.length; i++) {
    const step = a.kind === 'dict' ? `.${a.keys[i]!}` : `[${i}]`
    const found = difference(a.children[i]!, b.children[i]!, path + step)
    if (found !== null) return found
  }
  return null
}

/** What the leaves of a T are. */
export type Leaf<T> = T extends NdArray | number | boolean
  ? T
  : T extends null | undefined
    ? never
    : T extends readonly (infer U)[]
      ? Leaf<U>
      : T extends object
        ? { readonly [K in keyof T]-?: Leaf<T[K]> }[keyof T]
        : T
/**
 * Leaves in order, object keys sorted. As `jax.tree.leaves`.
 *
 * @example tree.leaves({ b: 1, a: [2, 3] }) // [2, 3, 1]
 */
export const leaves = /* @__PURE__ */ takes('tree.leaves', 1, <T>(tree: T): Leaf<T>[] => flatten(tree)[0] as Leaf<T>[])
/**
 * The structure without its leaves. As `jax.tree.structure`.
 *
 * @example tree.structure([1, 2]).kind // list
 */
export const structure = /* @__PURE__ */ takes('tree.structure', 1, (tree: unknown): TreeDef => flatten(tree)[1])

/** A tree like T, with U in the place of each leaf. */
export type Mapped<T, U> = T extends NdArray | number | boolean ? U : { readonly [K in keyof T]: Mapped<T[K], U> }
type Leaves<Rest extends readonly unknown[]> = { readonly [K in keyof Rest]: NdArray }

/**
 * Every leaf through `f`; further trees must have the first one's structure, and come leaf by leaf beside it. As `jax.tree.map`.
 *
 * @example tree.map((p, g) => p.sub(g), { w: np.ones([2]) }, { w: np.ones([2]) }) // { w: [0, 0] }
 * @throws TreeError naming the first place where the structures differ
 */
export function map<T, Rest extends readonly T[]>(f: (leaf: NdArray, ...rest: Leaves<Rest>) => NdArray, tree: T, ...rest: Rest): T
export function map<T, U, Rest extends readonly T[]>(f: (leaf: NdArray, ...rest: Leaves<Rest>) => U, tree: T, ...rest: Rest): Mapped<T, U>
export function map(f: (...leaf: NdArray[]) => unknown, tree: unknown, ...rest: readonly unknown[]): unknown {
  functionOf('map', f)
  const [first, def] = flatten(tree)
  const others = rest.map((t) => {
    const [xs, d] = flatten(t)
    const found = difference(def, d)
    if (found !== null) throw new TreeError(`tree.map: the trees differ ${found}`)
    return xs
  })
  const mapped = first.map((leaf, i) => f(leaf as NdArray, ...others.map((xs) => xs[i] as NdArray)))
  return unflatten(def, mapped)
}

/**
 * The leaves folded in order. As `jax.tree.reduce`.
 *
 * @example tree.reduce((n, x) => n + x.size, [np.ones([2]), np.ones([3])], 0) // 5
 */
export const reduce = /* @__PURE__ */ takes('tree.reduce', 3, <A>(f: (acc: A, leaf: NdArray) => A, tree: unknown, initial: A): A => {
  functionOf('reduce', f)
  return flatten(tree)[0].reduce((acc: A, leaf) => f(acc, leaf as NdArray), initial)
})

/**
 * Whether every leaf is true, or a number or one-element array other than 0; reads the arrays. As `jax.tree.all`.
 *
 * @throws TreeError when an array has several elements
 * @example tree.all({ a: true, b: np.array([0]) }) // false
 */
export const all = /* @__PURE__ */ takes('tree.all', 1, (tree: unknown): boolean =>
  flatten(tree)[0].every((leaf) => {
    if (!(leaf instanceof NdArray)) return Boolean(leaf)
    if (leaf.size !== 1) throw new TreeError(`tree.all: an array has ${leaf.size} elements: reduce it with np.all`)
    return leaf.concrete('tree.all').dataSync()[0] !== 0
  }),
)

/**
 * The path of every leaf, in order.
 *
 * @example tree.paths({ blocks: [{ w: 0 }], b: 1 }) // ['.b', '.blocks[0].w']
 */
export const paths = /* @__PURE__ */ takes('tree.paths', 1, (tree: unknown): string[] => {
  const out: string[] = []
  const walk = (d: TreeDef, path: string): void => {
    if (d.kind === 'leaf') out.push(path)
    else if (d.kind !== 'none') d.children.forEach((c, i) => walk(c, path + (d.kind === 'dict' ? `.${d.keys[i]!}` : `[${i}]`)))
  }
  walk(structure(tree), '')
  return out
})

/**
 * Every leaf through `f`, which is told its path. As `jax.tree.map_with_path`.
 *
 * @example tree.mapWithPath((path, x) => x.mul(path === '.a' ? 2 : 3), { a: np.array(1), b: np.array(1) }) // { a: 2, b: 3 }
 */
export function mapWithPath<T>(f: (path: string, leaf: NdArray) => NdArray, tree: T): T
export function mapWithPath<T, U>(f: (path: string, leaf: NdArray) => U, tree: T): Mapped<T, U>
export function mapWithPath(...args: Parameters<typeof mappedWithPath>): unknown {
  return mappedWithPath(...args)
}
const mappedWithPath = /* @__PURE__ */ takes(
  'tree.mapWithPath',
  2,
  (f: (path: string, leaf: NdArray) => unknown, tree: unknown): unknown => {
    functionOf('mapWithPath', f)
    const [xs, def] = flatten(tree)
    const at = paths(tree)
    return unflatten(
      def,
      xs.map((leaf, i) => f(at[i]!, leaf as NdArray)),
    )
  },
)

/**
 * A tree (of structure `outer`) of trees (of structure `inner`), turned inside out. As `jax.tree.transpose`.
 *
 * @example tree.transpose(tree.structure([0, 0]), tree.structure({ a: 0 }), [{ a: 1 }, { a: 2 }]) // { a: [1, 2] }
 * @throws TreeError where the tree isn't of those structures
 */
export const transpose = /* @__PURE__ */ takes('tree.transpose', 3, (outer: TreeDef, inner: TreeDef, tree: unknown): unknown => {
  const [flat, def] = flatten(tree)
  const [height, width] = [countLeaves(defOf('transpose', outer)), countLeaves(defOf('transpose', inner))]
  const expected = structure(unflatten(outer, Array<unknown>(height).fill(unflatten(inner, Array<unknown>(width).fill(0)))))
  const found = difference(expected, def)
  if (found !== null) throw new TreeError(`tree.transpose: the structures (left) and the tree (right) differ ${found}`)
  const columns = Array.from({ length: width }, (_, j) =>
    unflatten(
      outer,
      Array.from({ length: height }, (_, i) => flat[i * width + j]),
    ),
  )
  return unflatten(inner, columns)
})

const countLeaves = (d: TreeDef): number =>
  d.kind === 'leaf' ? 1 : d.kind === 'none' ? 0 : d.children.reduce((n, c) => n + countLeaves(c), 0)
