/** Where the user's code was, in a stack that was captured for little and is read only when somebody asks. */

/** The folders of this library's functions, as stacks have them: beside where this file is. A bundle has no such places, and nothing is told apart there. */
const root = /[^\s(@]+(?=src\/core\/source\.)/.exec(new Error().stack!)?.[0]
const homes = root === undefined ? [] : ['src/', 'transforms/', 'primitives/', 'backends/'].map((folder) => root + folder)

/** `at loss (/train.ts:12:5)`: the innermost frame outside this library; the outermost that was kept, where all are inside; nothing where nothing was. */
export const placeOf = (source: Error | null): string => {
  const frames = source?.stack?.match(/\S.*:\d+\)?/g) ?? []
  return frames.find((frame) => !homes.some((home) => frame.includes(home))) ?? frames.at(-1) ?? ''
}
