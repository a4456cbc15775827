/** From JAX's notation back to a jaxpr: what `printJaxpr` prints, and what is written by hand in the same grammar. Linear in the text. */
import * as E from '#fp-ts/Either.js'
import { type Aval, aval } from './aval.ts'
import { type DType, shortName } from './dtype.ts'
import { JaxprError } from './errors.ts'
import { type Atom, type Effect, type Eqn, isEffect, type Jaxpr, literal, type Var, variable } from './jaxpr.ts'
import type { Op } from './ops.ts'
import { badOp, isOpName } from './ops.ts'
import { show } from './show.ts'

/** Where the text can't go on, and what would let it. */
interface Refusal {
  readonly at: number
  readonly expected: string
}
type Parsed<T> = E.Either<Refusal, T>

const dtypes = Object.keys(shortName) as DType[]
const camel = (name: string): string => name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())

const AVAL = String.raw`([a-z]+\d*(?:<fry>)?)\[((?:\d+(?:,\d+)*)?)\](\*?)`
const NUMBER = String.raw`-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)|nan`
const BINDER = new RegExp(String.raw`\s*([A-Za-z_]\w*):${AVAL}`, 'y')
const LITERAL = new RegExp(String.raw`[ \t]*(${NUMBER}|True|False):${AVAL}`, 'y')
/** An equation's inputs stand on one line, so that the next may begin with its primitive. */
const USE = /[ \t]*([A-Za-z_]\w*)(?![\w:])/y
const TAIL = /\s*in\s*(?=\()/y
const PARAM_NUMBER = new RegExp(String.raw`\s*(${NUMBER})(?!\w)`, 'y')
const WORD = /\s*([A-Za-z_]\w*)/y

/** The text and a place in it. */
class Reader {
  at = 0
  /** How many values are being read, one within the other. */
  depth = 0
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  /** What the pattern matches here, having moved behind it; null where it doesn't. */
  take(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.at
    const match = sticky.exec(this.text)
    if (match !== null) this.at = sticky.lastIndex
    return match
  }
  sees(sticky: RegExp): boolean {
    sticky.lastIndex = this.at
    return sticky.test(this.text)
  }
  /** The next place that isn't blank. */
  start(): number {
    let at = this.at
    while (' \n\t\r'.includes(this.text[at] ?? '.')) at++
    return at
  }
  expected(what: string, at = this.start()): E.Either<Refusal, never> {
    return E.left({ at, expected: what })
  }
}

const numberOf = (text: string): number => Number(text.replace('inf', 'Infinity').replace('nan', 'NaN'))

const readAval = (r: Reader, [, , dtypeName, extents, weak]: RegExpExecArray, at: number): Parsed<Aval> => {
  const dtype = dtypes.find((d) => shortName[d] === dtypeName)
  if (dtype === undefined) return r.expected(`a dtype (${Object.values(shortName).join(', ')})`, at)
  return E.right(aval(extents === '' ? [] : extents!.split(',').map(Number), dtype, weak === '*'))
}

type Scope = Map<string, Var>

const readBinder = (r: Reader, ...scopes: readonly Scope[]): Parsed<readonly [name: string, v: Var]> => {
  const from = r.start()
  const match = r.take(BINDER)
  if (match === null) return r.expected('a variable and its type, as in a:f32[3]')
  const type = readAval(r, match, from)
  if (E.isLeft(type)) return type
  const name = match[1]!
  if (scopes.some((scope) => scope.has(name))) return r.expected(`a new name: ${name} is defined above`, from)
  return E.right([name, variable(type.right)])
}

/** null where no atom stands. */
const readAtom = (r: Reader, scope: Scope): Parsed<Atom | null> => {
  const from = r.start()
  const lit = r.take(LITERAL)
  if (lit !== null)
    return E.map((type: Aval) => literal(lit[1] === 'True' ? 1 : lit[1] === 'False' ? 0 : numberOf(lit[1]!), type))(readAval(r, lit, from))
  if (r.sees(TAIL)) return E.right(null)
  const use = r.take(USE)
  if (use === null) return E.right(null)
  const v = scope.get(use[1]!)
  return v === undefined ? r.expected(`a variable defined above: ${use[1]} isn't`, r.at - use[1]!.length) : E.right(v)
}

/** Items until `)`; a comma stands between them and may stand behind the last. */
const readTuple = <T>(r: Reader, item: () => Parsed<T>): Parsed<T[]> => {
  if (r.take(/\s*\(/y) === null) return r.expected('(')
  const items: T[] = []
  while (r.take(/\s*\)/y) === null) {
    if (items.length > 0 && r.take(/\s*,\s*/y) === null) return r.expected(', or )')
    if (r.take(/\s*\)/y) !== null) break
    const next = item()
    if (E.isLeft(next)) return next
    items.push(next.right)
  }
  return E.right(items)
}

const words: ReadonlyMap<string, null | boolean> = new Map([
  ['None', null],
  ['True', true],
  ['False', false],
])

/** So deep are jaxprs and tuples within one another at most. */
const DEEPEST = 500
const readValue = (r: Reader): Parsed<unknown> => {
  if (r.depth >= DEEPEST) return r.expected(`no more than ${DEEPEST} values within one another`)
  r.depth++
  const value = readAnyValue(r)
  r.depth--
  return value
}
const readAnyValue = (r: Reader): Parsed<unknown> => {
  if (r.sees(/\s*\(/y)) return readTuple(r, () => readValue(r))
  if (r.sees(/\s*\{/y)) return readJaxpr(r)
  const number = r.take(PARAM_NUMBER)
  if (number !== null) return E.right(numberOf(number[1]!))
  const quoted = r.take(/\s*("(?:[^"\\]|\\.)*")/y)
  if (quoted !== null) return E.right(JSON.parse(quoted[1]!))
  const word = r.take(WORD)
  if (word === null) return r.expected('a number, word, text in quotes, tuple, jaxpr, True, False or None')
  return E.right(words.has(word[1]!) ? words.get(word[1]!) : word[1])
}

const readParams = (r: Reader): Parsed<Record<string, unknown>> => {
  const params: Record<string, unknown> = {}
  if (r.take(/\[/y) === null) return E.right(params)
  while (r.take(/\s*\]/y) === null) {
    const key = r.take(/\s*([a-z][a-z0-9_]*)=/y)
    if (key === null) return r.expected('a param, as in axis=0, or ]')
    const value = readValue(r)
    if (E.isLeft(value)) return value
    params[camel(key[1]!)] = value.right
  }
  return E.right(params)
}

const readEffects = (r: Reader): Parsed<Effect[]> => {
  const marks = r.take(/<([a-z,]*)>/y)
  if (marks === null) return E.right([])
  const names = marks[1]!.split(',')
  return names.every(isEffect) ? E.right(names) : r.expected('an effect: debug', r.at - marks[0].length)
}

const readEqn = (r: Reader, scope: Scope): Parsed<Eqn> => {
  // The results are in scope behind the equation, not in it.
  const outs: Scope = new Map()
  while (r.sees(BINDER)) {
    const binder = readBinder(r, scope, outs)
    if (E.isLeft(binder)) return binder
    outs.set(...binder.right)
  }
  if (outs.size > 0 && r.take(/\s*=/y) === null) return r.expected('=')
  const from = r.start()
  const word = r.take(WORD)
  const name = camel(word?.[1] ?? '')
  if (word === null || !isOpName(name)) return r.expected(`a primitive${word === null ? '' : `: there is no ${word[1]}`}`, from)
  const effects = readEffects(r)
  if (E.isLeft(effects)) return effects
  const params = readParams(r)
  if (E.isLeft(params)) return params
  const op = { name, params: params.right } as Op
  const inputs: Atom[] = []
  for (;;) {
    const atom = readAtom(r, scope)
    if (E.isLeft(atom)) return atom
    if (atom.right === null) break
    inputs.push(atom.right)
  }
  const bad = badOp(op, inputs.length)
  if (bad !== null) return r.expected(`other params or operands: ${bad}`, from)
  for (const [key, v] of outs) scope.set(key, v)
  return E.right({ op, inputs, outs: [...outs.values()], effects: effects.right, source: null })
}

const readJaxpr = (r: Reader): Parsed<Jaxpr> => {
  if (r.take(/\s*\{\s*lambda\s*;/y) === null) return r.expected('{ lambda ;')
  const scope: Scope = new Map()
  const inputs: Var[] = []
  while (r.take(/\s*\.\s*let(?!\w)/y) === null) {
    if (!r.sees(BINDER)) return r.expected('an argument and its type, as in a:f32[3], or . let')
    const v = readBinder(r, scope)
    if (E.isLeft(v)) return v
    scope.set(...v.right)
    inputs.push(v.right[1])
  }
  const eqns: Eqn[] = []
  while (r.take(TAIL) === null) {
    const eqn = readEqn(r, scope)
    if (E.isLeft(eqn)) return eqn
    eqns.push(eqn.right)
  }
  const outs = readTuple(r, (): Parsed<Atom> => {
    const atom = readAtom(r, scope)
    return E.isLeft(atom) ? atom : atom.right === null ? r.expected('a variable or a literal') : E.right(atom.right)
  })
  if (E.isLeft(outs)) return outs
  return r.take(/\s*\}/y) === null ? r.expected('}') : E.right({ inputs, eqns, outs: outs.right })
}

/** Line and column, from 1, and what stands there. */
const locate = (text: string, at: number): string => {
  const before = text.slice(0, at).split('\n')
  const found = text.slice(at).split('\n', 1)[0]!.slice(0, 24)
  return `line ${before.length}, column ${before.at(-1)!.length + 1} (${found === '' ? 'the end' : JSON.stringify(found)})`
}

/**
 * The jaxpr that a text in JAX's notation stands for. Throws `JaxprError`, naming line and column. What the text says of
 * shapes and dtypes isn't verified here: that is `checkJaxpr`'s business.
 *
 * @example parseJaxpr('{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }').eqns.length // 1
 */
export const parseJaxpr = (text: string): Jaxpr => {
  if (typeof text !== 'string') throw new JaxprError(`parseJaxpr: a text is needed, and got ${show(text)}`)
  const r = new Reader(text)
  const parsed = readJaxpr(r)
  const whole = E.isRight(parsed) && !r.sees(/\s*$/y) ? r.expected('the end of the text') : parsed
  if (E.isLeft(whole)) throw new JaxprError(`parseJaxpr: ${locate(text, whole.left.at)}: expected ${whole.left.expected}`)
  return whole.right
}
