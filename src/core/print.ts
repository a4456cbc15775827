/** Jaxprs as text, in JAX's notation: `{ lambda ; a:f32[3]. let b:f32[3] = sin a in (b,) }`. The text is exact: equal texts, equal programs. */
import { type Aval, showAval } from './aval.ts'
import type { Atom, Jaxpr, Var } from './jaxpr.ts'

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)

/** a … z, aa, ab, … */
export const varName = (index: number): string =>
  (index >= 26 ? varName(Math.floor(index / 26) - 1) : '') + String.fromCharCode(97 + (index % 26))

const showNumber = (value: number, float: boolean): string => {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const text = Object.is(value, -0) ? '-0' : String(value)
  return float && /^-?\d+$/.test(text) ? `${text}.0` : text
}

const showTuple = (items: readonly string[]): string => `(${items.join(', ')}${items.length === 1 ? ',' : ''})`

const typed = (aval: Aval): string => showAval(aval) + (aval.weak ? '*' : '')

export const showLiteral = (value: number, aval: Aval): string =>
  `${aval.dtype === 'bool' ? (value ? 'True' : 'False') : showNumber(value, aval.dtype.startsWith('float'))}:${typed(aval)}`

const showParam = (value: unknown, indent: string): string => {
  if (Array.isArray(value)) return showTuple(value.map((item) => showParam(item, indent)))
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'object') return printJaxpr(value as Jaxpr, `${indent}  `)
  return String(value)
}

/** The jaxpr's text; `indent` is the column at which its lines stand. */
export const printJaxpr = (jaxpr: Jaxpr, indent = ''): string => {
  const names = new Map<Var, string>()
  const define = (v: Var): string => {
    const name = varName(names.size)
    names.set(v, name)
    return `${name}:${typed(v.aval)}`
  }
  const use = (atom: Atom): string =>
    atom.kind === 'lit' ? showLiteral(atom.value, atom.aval) : (names.get(atom) ?? `?:${typed(atom.aval)}`)

  const head = `{ lambda ; ${jaxpr.inputs.map(define).join(' ')}. let`
  const lines: string[] = []
  for (const eqn of jaxpr.eqns) {
    const inputs = eqn.inputs.map(use).join(' ')
    const params = Object.entries(eqn.op.params).map(([k, v]) => `${snake(k)}=${showParam(v, `${indent}    `)}`)
    const effects = eqn.effects.length > 0 ? `<${eqn.effects.join(',')}>` : ''
    const outs = eqn.outs.map(define).join(' ')
    lines.push(`${outs} = ${snake(eqn.op.name)}${effects}${params.length > 0 ? `[${params.join(' ')}]` : ''}${inputs && ` ${inputs}`}`)
  }
  const tail = `in ${showTuple(jaxpr.outs.map(use))} }`
  if (lines.length < 2 && !lines.some((line) => line.includes('\n'))) return [head, ...lines, tail].join(' ')
  return `${head}\n${lines.map((line) => `${indent}    ${line}\n`).join('')}${indent}  ${tail}`
}
