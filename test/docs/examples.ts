/** Docstrings and their examples: `@example code // value`, the code an expression (after statements on lines before) over the public names. */
import { readFileSync } from 'node:fs'
import { compileFunction } from 'node:vm'
import { transformSync } from 'esbuild'
import * as cotangent from '../../src/index.ts'

export interface Example {
  readonly code: string
  readonly value: string
}
export interface Documented {
  readonly file: string
  readonly name: string
  readonly doc: string
  readonly examples: readonly Example[]
}

/** The functions and constants that a file defines, under the names it exports them by, with the docstring before each. */
export const documented = (file: string): Documented[] => {
  const source = readFileSync(file, 'utf8')
  const aliases = new Map([...source.matchAll(/export \{ (\w+) as (\w+) \}/g)].map(([, from, to]) => [from, to]))
  const pattern = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?(?:export )?(?:const|function) (\w+)/g
  return [...source.matchAll(pattern)].map(([, doc = '', name = '']) => ({
    file,
    name: aliases.get(name) ?? name,
    doc,
    examples: examplesOf(doc),
  }))
}

const examplesOf = (doc: string): Example[] =>
  doc
    .replace(/\n \* ?/g, '\n')
    .split(/@(?=\w)/)
    .filter((tag) => /^example\s/.test(tag))
    .map((tag) => {
      const text = tag.slice('example'.length).trim()
      const at = text.lastIndexOf(' // ')
      return at < 0 ? { code: text, value: '' } : { code: text.slice(0, at), value: text.slice(at + 4) }
    })

const run = (code: string): unknown => {
  const lines = code.trim().split('\n')
  const last = lines.pop()!
  const { code: js } = transformSync(`(async () => {\n${lines.join('\n')}\nreturn (${last})\n})()`, { loader: 'ts' })
  return compileFunction(`return ${js}`, Object.keys(cotangent))(...Object.values(cotangent))
}
const plain = (x: unknown): unknown => {
  if (x instanceof cotangent.NdArray) return x.toArray()
  if (Array.isArray(x)) return x.map(plain)
  if (typeof x === 'object' && x !== null) return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)]))
  return x
}
/** allClose with 5e-6, relative and absolute: what a value of eight digits says. */
const difference = (x: unknown, y: unknown, path = 'the result'): string | null => {
  if (typeof x === 'number' && typeof y === 'number')
    return Object.is(x, y) || x === y || Math.abs(x - y) <= 5e-6 * (1 + Math.abs(y)) ? null : `${path} is ${x}`
  if (typeof x !== 'object' || typeof y !== 'object' || x === null || y === null) return x === y ? null : `${path} is ${JSON.stringify(x)}`
  const keys = Object.keys(y)
  if (Array.isArray(x) !== Array.isArray(y) || Object.keys(x).join() !== keys.join()) return `${path} is ${JSON.stringify(x)}`
  for (const k of keys) {
    const off = difference((x as Record<string, unknown>)[k], (y as Record<string, unknown>)[k], `${path}.${k}`)
    if (off !== null) return off
  }
  return null
}

/** What is wrong with an example; null when its code gives its value. */
export const failure = async ({ code, value }: Example): Promise<string | null> => {
  if (value === '') return 'it has no value: end it with ` // value`'
  const result = plain(await run(code))
  return typeof result === 'string' && result === value ? null : difference(result, plain(await run(value)))
}
