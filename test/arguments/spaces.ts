/** Every public function by the name that users know it by, found by walking the entries. */
import * as cotangent from '../../src/index.ts'
import * as fp from '../../src/fp/index.ts'
import * as fpNode from '../../src/fp/node.ts'
import * as io from '../../src/io/index.ts'
import * as node from '../../src/io/node.ts'
import * as models from '../../src/models/index.ts'
import * as testing from '../../src/testing/index.ts'

export type Fn = (...args: readonly unknown[]) => unknown
export interface Public {
  readonly name: string
  readonly f: Fn
}

const isClass = (f: object): boolean => String(f).startsWith('class')
const walk = (prefix: string, space: object): readonly Public[] =>
  Object.entries(space).flatMap(([name, value]: [string, unknown]) => {
    const full = prefix === '' ? name : `${prefix}.${name}`
    if (typeof value === 'function') return isClass(value) ? [] : [{ name: full, f: value as Fn }]
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? walk(full, value) : []
  })

const { np, lax, nn, random, optim, tree, debug, ...transforms } = cotangent
const entries: Readonly<Record<string, readonly Public[]>> = {
  np: walk('np', np),
  lax: walk('lax', lax),
  nn: walk('nn', nn),
  random: walk('random', random),
  optim: walk('optim', optim),
  tree: walk('tree', tree),
  debug: walk('debug', debug),
  transforms: walk('', transforms),
  io: walk('io', { ...io, ...node }),
  models: walk('', models),
  testing: walk('testing', testing),
  fp: walk('fp', { ...fp, ...fpNode }),
}
/** Of an array, as functions of it; toJSON is JSON's. */
const methods = Object.getOwnPropertyNames(cotangent.NdArray.prototype)
  .filter((name) => !['constructor', 'concrete', 'toJSON'].includes(name))
  .flatMap((name): readonly Public[] => {
    const { value } = Object.getOwnPropertyDescriptor(cotangent.NdArray.prototype, name)!
    const method = value as ((this: unknown, ...args: readonly unknown[]) => unknown) | undefined
    return typeof method === 'function' ? [{ name: `x.${name}`, f: (...args) => method.call(cotangent.np.ones([2, 3]), ...args) }] : []
  })
export const spaces: Readonly<Record<string, readonly Public[]>> = { ...entries, methods }
export const functions: readonly Public[] = Object.values(spaces).flat()
