/** Jaxprs as text, in JAX's notation: `{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }`. The text is exact: equal texts, equal programs. */
import { type Aval, showAval } from './aval.ts'
import { isFloat } from './dtype.ts'
import type { Atom, Eqn, Jaxpr, Var } from './jaxpr.ts'
import { Ref } from './ref.ts'

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)

/** a … z, aa, ab, … */
const varName = (index: number): string => (index >= 26 ? varName(Math.floor(index / 26) - 1) : '') + String.fromCharCode(97 + (index % 26))

const showNumber = (value: number, float: boolean): string => {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const text = Object.is(value, -0) ? '-0' : String(value)
  return float && /^-?\d+$/.test(text) ? `${text}.0` : text
}

const showTuple = (items: readonly string[]): string => `(${items.join(', ')}${items.length === 1 ? ',' : ''})`

const typed = (aval: Aval): string => showAval(aval) + (aval.weak ? '*' : '')

const showLiteral = (value: number, aval: Aval): string =>
  `${aval.dtype === 'bool' ? (value ? 'True' : 'False') : showNumber(value, isFloat(aval.dtype))}:${typed(aval)}`

/** Texts stand bare where they are words that mean nothing else. */
const showText = (text: string): string =>
  /^[A-Za-z_]\w*$/.test(text) && !/^(None|True|False|inf|nan)$/.test(text) ? text : JSON.stringify(text)

const showParam = (value: unknown, indent: string): string => {
  if (Array.isArray(value)) return showTuple(value.map((item) => showParam(item, indent)))
  switch (typeof value) {
    case 'boolean':
      return value ? 'True' : 'False'
    case 'number':
      return showNumber(value, false)
    case 'string':
      return showText(value)
    default:
      if (value instanceof Ref) return String(value.id)
      return value === null ? 'None' : printJaxpr(value as Jaxpr, `${indent}  `)
  }
}

/** Prints equations one after another: variables are named as they are defined. */
const printer = (indent: string) => {
  const names = new Map<Var, string>()
  const define = (v: Var): string => {
    const name = varName(names.size)
    names.set(v, name)
    return `${name}:${typed(v.aval)}`
  }
  const use = (atom: Atom): string =>
    atom.kind === 'lit' ? showLiteral(atom.value, atom.aval) : (names.get(atom) ?? `?:${typed(atom.aval)}`)
  const eqn = ({ op, inputs, outs, effects }: Eqn): string => {
    const used = inputs.map(use).join(' ')
    const params = Object.entries(op.params).map(([k, v]) => `${snake(k)}=${showParam(v, `${indent}    `)}`)
    const left = outs.length > 0 ? `${outs.map(define).join(' ')} = ` : ''
    const marks = effects.length > 0 ? `<${effects.join(',')}>` : ''
    return `${left}${snake(op.name)}${marks}${params.length > 0 ? `[${params.join(' ')}]` : ''}${used && ` ${used}`}`
  }
  return { define, use, eqn }
}

/** The jaxpr's text; `indent` is the column at which its lines stand. */
export const printJaxpr = (jaxpr: Jaxpr, indent = ''): string => {
  const { define, use, eqn } = printer(indent)
  const head = `{ lambda ; ${jaxpr.inputs.map(define).join(' ')}. let`
  const lines = jaxpr.eqns.map(eqn)
  const tail = `in ${showTuple(jaxpr.outs.map(use))} }`
  if (lines.length < 2 && !lines.some((line) => line.includes('\n'))) return [head, ...lines, tail].join(' ')
  return `${head}\n${lines.map((line) => `${indent}    ${line}\n`).join('')}${indent}  ${tail}`
}

/** The text of one equation, with the names that it has in the whole jaxpr. */
export const printEqn = (jaxpr: Jaxpr, index: number): string => {
  const { define, eqn } = printer('')
  jaxpr.inputs.forEach(define)
  for (const { outs } of jaxpr.eqns.slice(0, index)) outs.forEach(define)
  return eqn(jaxpr.eqns[index]!)
}
