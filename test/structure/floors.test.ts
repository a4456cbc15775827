import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** What each folder may import, beside itself; the first pattern that matches a file is its folder. */
const floors: readonly (readonly [folder: RegExp, may: RegExp])[] = [
  // What a package entry re-exports, and the run time.
  [/^src\/[a-z]+\/(index|node)\.ts$/, /^src\//],
  [/^src\/(core\/|tree\.ts)/, /^src\/(core\/|tree\.ts)/],
  [/^primitives\//, /^src\/core\//],
  [/^backends\/([a-z]+)\//, /^src\/core\//],
  [/^transforms\//, /^(src\/(core\/|tree\.ts)|backends\/lowering\/|primitives\/)/],
  [/^src\/(numpy|lax|random)\//, /^(src\/((core|numpy|lax|random)\/|tree\.ts)|transforms\/|primitives\/)/],
  [/^src\/debug\//, /^(src\/(core\/|tree\.ts)|transforms\/|primitives\/)/],
  [/^src\/(nn|optim)\//, /^(src\/((core|numpy|lax|random|nn|optim)\/|tree\.ts)|transforms\/|primitives\/)/],
  [
    /^src\/(models|testing|io)\//,
    /^(src\/((core|numpy|lax|random|nn|optim|models|testing|io|text)\/|(tree|init)\.ts)|transforms\/|primitives\/)/,
  ],
  [/^src\/text\//, /^src\/(core|io)\//],
  [/^src\/hub\//, /^src\/((core|io|models|text)\/|tree\.ts)/],
  [/^src\/fp\//, /^src\//],
  [/^src\/[a-z]+\.ts$/, /^(src|primitives|transforms|backends)\//],
  [/^examples\//, /^src\/((models\/|io\/|testing\/|text\/)?index|(io|hub)\/node)\.ts$/],
]

const filesOf = (root: string, folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts'))
    .map((f) => join(folder, f))

const importsOf = (root: string, file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from |import |import\()'(\.[^']+)'/g)].map((m) =>
    relative(root, join(root, dirname(file), m[1]!)),
  )

/** Imports that point up, and files that import themselves through others. Types count: an arrow is an arrow. */
const faults = (root: string, folders: readonly string[]): string[] => {
  const files = folders.flatMap((f) => filesOf(root, f))
  const arrows = new Map(files.map((f) => [f, importsOf(root, f)]))
  const up = files.flatMap((file) => {
    const floor = floors.find(([folder]) => folder.test(file))
    if (floor === undefined) return [`${file} stands on no floor`]
    const own = floor[0].exec(file)![0]
    return arrows
      .get(file)!
      .filter((to) => !to.startsWith(own) && !floor[1].test(to))
      .map((to) => `${file} -> ${to}`)
  })
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'open') cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (state.has(file)) return
    state.set(file, 'open')
    for (const to of arrows.get(file) ?? []) visit(to, [...path, file])
    state.set(file, 'done')
  }
  // Within core the op map and the jaxpr name one another's types: data that contains itself.
  for (const file of files) visit(file, [])
  return [...up, ...cycles.filter((c) => !typeKnot.test(c))]
}
const typeKnot =
  /^src\/core\/(ops|jaxpr|array|methods)\.ts -> src\/core\/(ops|jaxpr|array|methods)\.ts -> src\/core\/(ops|jaxpr|array|methods)\.ts$/

test('imports point down only, and there are no cycles', () => {
  expect(faults('.', ['src', 'primitives', 'transforms', 'backends', 'examples'])).toEqual([])
})

test('a planted arrow upwards and a planted cycle are found', () => {
  const root = mkdtempSync(join(tmpdir(), 'floors-'))
  for (const folder of ['src/core', 'primitives', 'transforms']) mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'src/core/a.ts'), "import '../../transforms/t.ts'\n")
  writeFileSync(join(root, 'transforms/t.ts'), "import './u.ts'\n")
  writeFileSync(join(root, 'transforms/u.ts'), "import './t.ts'\n")
  expect(faults(root, ['src', 'primitives', 'transforms'])).toEqual([
    'src/core/a.ts -> transforms/t.ts',
    'transforms/t.ts -> transforms/u.ts -> transforms/t.ts',
  ])
})
