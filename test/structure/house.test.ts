/** What the house costs whoever works in it, printed: `npx vitest run test/structure/house.test.ts`. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'

const files = ['src', 'primitives', 'transforms', 'backends', 'test/backends'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
)
const text = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))

/** Where an operation, or a kind of kernel, is spoken of: what whoever adds another one edits. Tests of single operations aside. */
const places = (name: string): string[] =>
  files.filter(
    (file) => basename(file) === `${name}.ts` || (new RegExp(`\\b(c_)?${name}\\b`).test(text.get(file)!) && !file.endsWith('.test.ts')),
  )

test('a contributor edits at most 8 places for an element-wise primitive, and 10 for a special kernel', () => {
  const [primitive, kernel] = [places('atanh'), places('cumulative')]
  console.log(`an element-wise primitive, such as atanh: ${primitive.length} places\n  ${primitive.join('\n  ')}`)
  console.log(`a special kernel, such as cumulative: ${kernel.length} places\n  ${kernel.join('\n  ')}`)
  expect(primitive.length).toBeLessThanOrEqual(8)
  expect(kernel.length).toBeLessThanOrEqual(10)
})

/** Module variables that change, each with its reason. */
const variables: Readonly<Record<string, string>> = {
  'src/core/runtime.ts runtime': 'the run time, set once when an entry loads',
  'src/core/trace.ts stack': 'traces run within one another, on one thread',
  'src/core/trace.ts origin': 'the equation that is being transformed: set and restored by trace',
  'src/core/array.ts scopes': 'scopes run within one another, on one thread',
  'src/tree.ts registered': "node types of the user's, by registerNode",
  'src/debug/callback.ts printers': 'one function for each format, so that a print in a loop compiles once; bounded',
  'src/debug/host.ts hostFunctions': 'one function of data for each of the user, held by it',
  'src/lax/solvers.ts derivatives': "one rule for each root's jaxprs; bounded",
  'primitives/callback.ts batches': 'batched functions, held by what they batch',
  'primitives/custom.ts wider': 'batched rules, held by what they batch',
  'src/models/beams.ts programs': 'what was compiled for a model, held by it',
  'src/models/generate.ts programs': 'what was compiled for a model, held by it',
  'src/models/speculative.ts programs': 'what was compiled for a model, held by it',
  'transforms/jit.ts warnings': 'after how many traces to warn, by debug.compileWarnings',
  'transforms/jit.ts inspections': 'what explain asks of a jitted function, held by it',
  'backends/wasm/ops.ts uses': 'how often a function was written out, held by the function that is being built',
  'backends/wasm/assembler.ts relaxedSimdKnown': 'what the engine has, asked once',
  'backends/webgpu/device.ts gpu': "the package's own object, which must outlive its devices",
}
const DECLARED =
  /^(?:export )?(?:let (\w+)|const (\w+)(?:: [^=\n]+)? = (?:new (?:Map|Set|WeakMap|WeakSet|FinalizationRegistry|Kept|KeptFor)\b|\[\]$))/gm

/** An object of a module, of which some module sets a part. */
const OBJECT = /^(?:export )?const (\w+)(?:: [^=\n]+)? = \{/gm
const isSet = (name: string): boolean => [...text.values()].some((code) => new RegExp(`^ +${name}\\.\\w+ = `, 'm').test(code))

test('module variables that change are few, and each has a reason', () => {
  const found = files
    .filter((file) => !file.startsWith('test/'))
    .flatMap((file) =>
      [...text.get(file)!.matchAll(DECLARED)]
        .filter(([line]) => !/Readonly(Map|Set)|readonly|^const NONE\b/.test(line))
        .map(([, variable, constant]) => variable ?? constant!)
        .concat([...text.get(file)!.matchAll(OBJECT)].map(([, name]) => name!).filter(isSet))
        .map((name) => `${file} ${name}`),
    )
  console.log(`module variables that change\n${found.map((name) => `  ${name}: ${variables[name] ?? 'no reason'}`).join('\n')}`)
  expect(found.sort()).toEqual(Object.keys(variables).sort())
})
