/** What the package is wired from, for the transforms that users call. Set once by floor 4. */
import { CotangentError } from '../src/core/errors.ts'
import type { Transforms } from '../src/core/rules.ts'
import type { Engine } from './engine.ts'

export interface System {
  readonly transforms: Transforms
  readonly engine: Engine
}
let current: System | null = null
export const setSystem = (s: System): void => {
  current = s
}
export const system = (): System => {
  if (current === null) throw new CotangentError("Cotangent isn't wired: import from 'cotangent', not from a file inside it")
  return current
}
