/** How far attention sees. */
import { either, type OptionKind, pair, whole } from '../core/options.ts'

/** So many keys to both sides of a query's own place, or [left, right]. */
export type Window = number | readonly [left: number, right: number]
export const window: OptionKind<Window> = either(whole, pair(whole))
