/** Values as messages show them, whatever they are, and refusals in one form: the call on what it got, and the reason. */
import { NdArray } from './array.ts'
import { showAval } from './aval.ts'
import { CotangentError } from './errors.ts'

/** So many elements, and so deep. */
const [WIDE, DEEP] = [8, 3]

const entries = (x: object, depth: number): string => {
  const shown = Object.entries(x).slice(0, WIDE / 2)
  return `{${shown.map(([key, value]) => `${key}: ${typeof value === 'object' && value !== null ? '…' : within(value, depth)}`).join(', ')}}`
}
const list = (xs: readonly unknown[], depth: number): string =>
  depth === 0 ? '[…]' : `[${Array.from(xs.slice(0, WIDE), (x) => within(x, depth - 1)).join(',')}${xs.length > WIDE ? ',…' : ''}]`
const within = (x: unknown, depth: number): string => {
  switch (typeof x) {
    case 'string':
      return JSON.stringify(x.length > 60 ? `${x.slice(0, 60)}…` : x)
    case 'function':
      return 'a function'
    case 'object':
      return x === null ? 'null' : x instanceof NdArray ? showAval(x.aval) : Array.isArray(x) ? list(x, depth) : entries(x, depth)
    default:
      return String(x)
  }
}
/** `f32[2,3]`, `"a"`, `[2,-1]`. */
export const show = (x: unknown): string => {
  try {
    return within(x, DEEP)
  } catch {
    return `a${typeof x === 'object' ? 'n object that can’t be read' : ` ${typeof x}`}` // a getter or a proxy of the user's threw
  }
}

export type Refusal = new (message: string) => CotangentError
export const refuse = (Kind: Refusal, what: string, args: readonly unknown[], reason: string): never => {
  throw new Kind(`${what}(${args.map(show).join(', ')}): ${reason}`)
}

/** What reading an object of the user's throws, a getter or a proxy, is told as a refusal. */
export const reading = <T>(Kind: new (message: string, options: ErrorOptions) => CotangentError, what: string, read: () => T): T => {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof CotangentError) throw cause
    throw new Kind(`${what} can't be read: ${cause instanceof Error ? cause.message : 'it threw'}`, { cause })
  }
}
