/** The declarations that users get: no `any` stands in them, and nothing that a user can see is typed by it through inference. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Lines where `any` stands where a type does, outside comments and strings; a function or a key may be called that. */
const anys = (source: string): string[] => {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'|"[^"\n]*"/g, '')
  return code.split('\n').filter((line) => /(?:[:<|&=>]|\bextends|\binfer|\bas)\s*\(?any\b(?!\s*[:(])|\bany\[\]|,\s*any\s*>/.test(line))
}

test('the search finds the type and passes over the function', () => {
  const kinds = [
    'declare const a: any;',
    'f: (x: any) => void;',
    'type A = Map<string, any>;',
    'declare const l: any[];',
    'type U = string | any;',
  ]
  expect(kinds.filter((line) => anys(line).length === 1)).toEqual(kinds)
  expect(anys("export declare const any: Reduction;\nany(options?: O): NdArray;\n/** any */ export { all, any } from './x.ts'")).toEqual([])
})

test('no declaration of the package has any', () => {
  const out = mkdtempSync(join(tmpdir(), 'declarations-'))
  const options = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', out]
  execFileSync('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', ...options], { encoding: 'utf8' })
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.d.ts'))
  expect(files).toContain(join('src', 'index.d.ts'))
  const found = files.flatMap((file) => anys(readFileSync(join(out, file), 'utf8')).map((line) => `${file}: ${line}`))
  rmSync(out, { recursive: true })
  expect(found).toEqual([])
})
