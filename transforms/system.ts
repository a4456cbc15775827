/** What the package is wired from, for the transforms that users call. Set once by floor 4. */
import type { Transforms } from '../src/core/rules.ts'
import type { Engine } from './engine.ts'

export interface System {
  readonly transforms: Transforms
  readonly engine: Engine
}
let current: System
export const setSystem = (s: System): void => void (current = s)
export const system = (): System => current
