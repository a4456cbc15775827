/** The text to learn from: read, or gathered from the project itself; its characters as numbers; its two parts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NdArray, np } from '../../src/index.ts'
import { attempt, Refusal } from './refusal.ts'

/** The text of a file. Refuses what is missing, empty or not UTF-8. */
export const readText = (path: string): string => {
  const bytes = attempt(`the text ${path} can't be read`, () => readFileSync(path))
  if (bytes.length === 0) throw new Refusal(`the text ${path} is empty`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Refusal(`the text ${path} isn't UTF-8`, { cause })
  }
}

/** The project's sources and documents, one after the other, found from this module upwards. */
export const ownText = (): string => {
  let root = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root)
  const folders = ['docs', 'src', 'transforms', 'primitives', 'backends', 'examples'].filter((f) => existsSync(join(root, f)))
  const inside = folders.flatMap((f) => readdirSync(join(root, f), { recursive: true, encoding: 'utf8' }).map((name) => join(f, name)))
  const files = [...readdirSync(root), ...inside].filter((name) => /\.(md|ts)$/.test(name)).sort()
  if (!files.some((name) => name.endsWith('.ts')))
    throw new Refusal(
      'the sources of the project, which are the text where none is given, are not beside this program: give one with --text FILE',
    )
  return files.map((name) => attempt(`the source ${name} can't be read`, () => readFileSync(join(root, name), 'utf8'))).join('\n')
}

export interface Corpus {
  /** The distinct characters by code point; a token is a place in it. */
  readonly vocab: readonly string[]
  readonly train: NdArray // int32 [characters]
  /** The last tenth. */
  readonly validation: NdArray // int32 [characters]
}

/** The two parts of a text as tokens. Refuses a text in which either holds no sequence of `context` characters and its successor. */
export const corpusOf = (text: string, context: number): Corpus => {
  const characters = [...text] // by code point
  const vocab = [...new Set(characters)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
  const tokenOf = new Map(vocab.map((c, i) => [c, i]))
  const cut = characters.length - Math.floor(characters.length / 10)
  if (Math.min(cut, characters.length - cut) <= context)
    throw new Refusal(
      `the text has ${characters.length} characters, and its last tenth, the validation text, must be longer than the context of ${context}: at least ${10 * (context + 1)} are needed, or a shorter --context`,
    )
  const tokens = Int32Array.from(characters, (c) => tokenOf.get(c)!)
  return { vocab, train: np.array(tokens.subarray(0, cut)), validation: np.array(tokens.subarray(cut)) }
}
