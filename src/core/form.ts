/** Whether a value has a jaxpr's form at all: what a text or another process gave is anything, until this has looked. */
import type { Jaxpr } from './jaxpr.ts'
import { isOpName } from './ops.ts'
import { isListOf } from './params.ts'

type Parts = Readonly<Record<string, unknown>>
const isParts = (x: unknown): x is Parts => typeof x === 'object' && x !== null

const isAval = (x: unknown): boolean =>
  isParts(x) && isListOf(x['shape'], (n) => typeof n === 'number') && typeof x['dtype'] === 'string' && typeof x['weak'] === 'boolean'
const isVar = (x: unknown): boolean => isParts(x) && x['kind'] === 'var' && isAval(x['aval'])
const isAtom = (x: unknown): boolean =>
  isVar(x) || (isParts(x) && x['kind'] === 'lit' && typeof x['value'] === 'number' && isAval(x['aval']))
const isOp = (x: unknown): boolean => isParts(x) && typeof x['name'] === 'string' && isOpName(x['name']) && isParts(x['params'])
const isEqn = (x: unknown): boolean =>
  isParts(x) &&
  isOp(x['op']) &&
  isListOf(x['inputs'], isAtom) &&
  isListOf(x['outs'], isVar) &&
  isListOf(x['effects'], (e) => typeof e === 'string')

/** Of its own equations; those of jaxprs among their params are looked at as these are. */
export const isJaxpr = (x: unknown): x is Jaxpr => {
  try {
    return isParts(x) && isListOf(x['inputs'], isVar) && isListOf(x['eqns'], isEqn) && isListOf(x['outs'], isAtom)
  } catch {
    return false // a getter or a proxy of the user's threw
  }
}
