/** Where the user's code was, in a stack that was captured for little and is read only when somebody asks. */

/** The folder of this library's functions, as stacks have it: where this file is. A bundle has no such place, and nothing is told apart there. */
const home = /[^\s(@]+(?=core\/source\.)/.exec(new Error().stack!)?.[0] ?? '|'

/** `at loss (/train.ts:12:5)`: the innermost frame outside this library; the outermost that was kept, where all are inside; nothing where nothing was. */
export const placeOf = (source: Error | null): string => {
  const frames = source?.stack?.match(/\S.*:\d+\)?/g) ?? []
  return frames.find((frame) => !frame.includes(home)) ?? frames.at(-1) ?? ''
}
