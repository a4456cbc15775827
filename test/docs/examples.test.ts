import { readdirSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as cotangent from '../../src/index.ts'
import { documented, failure } from './examples.ts'

const files = (path: string): string[] =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => files(`${path}/${name}`)) : path.endsWith('.ts') ? [path] : []

/** Functions of a namespace and of those within it. */
const functions = (namespace: object): string[] =>
  Object.entries(namespace).flatMap(([name, f]) => (typeof f === 'function' ? [name] : functions(f as object)))

/** Where the functions of each namespace are defined; those of no namespace are the transforms. */
const homes = {
  np: ['src/numpy'],
  lax: ['src/lax'],
  random: ['src/random'],
  nn: ['src/nn'],
  optim: ['src/optim'],
  debug: ['src/debug'],
  tree: ['src/tree.ts'],
  cotangent: ['src/memory.ts', 'src/core/check.ts', 'src/debug/pureCallback.ts', 'src/init.ts', 'src/profile.ts', 'transforms'],
} as const
/** The public functions of a namespace; classes describe themselves. */
const publicNames = (namespace: keyof typeof homes): string[] =>
  namespace === 'cotangent'
    ? Object.entries(cotangent).flatMap(([name, f]) => (typeof f === 'function' && !String(f).startsWith('class') ? [name] : []))
    : functions(cotangent[namespace]).filter(
        (name) => !String((cotangent[namespace] as Readonly<Record<string, unknown>>)[name]).startsWith('class'),
      )

describe.each(Object.entries(homes))('%s', (namespace, paths) => {
  const all = paths.flatMap(files).flatMap(documented)
  test('every example gives the value beside it', async () => {
    const wrong: string[] = []
    for (const { file, name, examples } of all)
      for (const example of examples) {
        const reason = await failure(example)
        if (reason !== null) wrong.push(`${file}: ${name}: ${example.code} // ${example.value}: ${reason}`)
      }
    expect(wrong).toEqual([])
  })
  test('every function has a docstring with an example', () => {
    const without = publicNames(namespace as keyof typeof homes).filter(
      (name) => !all.some((d) => d.name === name && d.examples.length > 0),
    )
    expect(without).toEqual([])
  })
})
