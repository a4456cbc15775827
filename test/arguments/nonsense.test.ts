/** Whatever a public function is given, it answers or refuses with an error of the family, soon; nothing else escapes from the inside. */
import { describe, expect, test } from 'vitest'
import { reference } from '../../backends/reference/index.ts'
import type { Backend } from '../../src/core/backend.ts'
import { CotangentError } from '../../src/index.ts'
import { onDevice } from '../device.ts'
import { seed, tries } from '../effort.ts'
import type { Fn } from './spaces.ts'

onDevice(reference() as Backend) // nothing to compile
const { callOf, draws, nonsense, show } = await import('./nonsense.ts')
const { spaces } = await import('./spaces.ts')

const calls = tries(60)
/** Milliseconds after which an answer is no answer; other processes run here. */
const SOON = 5000

/** Those that change the process or write files; and what makes fast-check's arbitraries or fp-ts's instances, whose business it is. */
const apart =
  /^(init|profile|devices|debug\.(nans|print|compileWarnings)|tree\.registerNode)$|^io\.write|^fp\.(write|init|refusing|\w+\.)|^testing\.(?!check)/
/** What a function gives back is called too. */
const callables = (value: unknown): readonly Fn[] =>
  typeof value === 'function'
    ? [value as Fn]
    : typeof value === 'object' && value !== null && !('aval' in value)
      ? Object.entries(value).flatMap(([key, one]: [string, unknown]) =>
          typeof one === 'function' && key !== 'toString' ? [one as Fn] : [],
        )
      : []

const outcome = async (f: Fn, args: readonly unknown[]): Promise<{ readonly value?: unknown; readonly fault?: string }> => {
  const start = performance.now()
  try {
    const value = f(...args)
    const took = performance.now() - start
    if (took > SOON) return { fault: `took ${Math.round(took)} ms` }
    return { value: value instanceof Promise ? await value : value }
  } catch (error) {
    return error instanceof CotangentError
      ? {}
      : { fault: error instanceof Error ? (error.stack ?? '').split('\n').slice(0, 4).join(' ') : String(error) }
  }
}

describe.each(Object.entries(spaces))('%s', (_, all) => {
  test.each(all.filter(({ name }) => !apart.test(name)))('$name', async ({ name, f }) => {
    const draw = draws(seed + [...name].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0, 7))
    const keys = await optionsOf(f)
    const faults = new Map<string, string>()
    const tell = (of: string, args: readonly unknown[], fault: string | undefined): void => {
      if (fault !== undefined && !faults.has(fault.slice(0, 200)))
        faults.set(fault.slice(0, 200), `${of}(${args.map((x) => show(x)).join(', ')}): ${fault}`)
    }
    for (let i = 0; i < calls; i++) {
      const args = callOf(draw, keys)
      const { value, fault } = await outcome(f, args)
      tell(name, args, fault)
      if (value === undefined || args.includes(value)) continue
      for (const inner of name.startsWith('fp.') ? [] : callables(value)) {
        const more = Array.from({ length: draw(4) }, () => nonsense(draw, []))
        tell(`${name}(${args.map((x) => show(x)).join(', ')})`, more, (await outcome(inner, more)).fault)
      }
    }
    expect([...faults.values()], `seed ${seed}`).toEqual([])
  })
})

/** The options that a function knows, as its refusal names them. */
const optionsOf = async (f: Fn): Promise<readonly string[]> => {
  try {
    await f(...Array<undefined>(40).fill(undefined))
  } catch (error) {
    return /and options \((.*)\)/.exec((error as Error).message)?.[1]?.split(', ') ?? []
  }
  return []
}
