/** Lists, and flags that say which of a longer list's places they are. */

/** Those at the flagged places. */
export const pick = <T>(list: readonly T[], flags: readonly boolean[]): T[] => list.filter((_, i) => flags[i])

/** The other way round: `picked` at the flagged places in turn, and elsewhere what `other` gives for the place. */
export const place = <T, U>(flags: readonly boolean[], picked: readonly T[], other: (place: number) => U): (T | U)[] => {
  let next = 0
  return flags.map((flag, i) => (flag ? picked[next++]! : other(i)))
}

type Groups<T, S extends readonly number[]> = [...{ -readonly [K in keyof S]: T[] }, T[]]
/** A list in consecutive groups, of as many as the sizes say, the last of what is left. */
export const grouped = <T, const S extends readonly number[]>(list: readonly T[], sizes: S): Groups<T, S> => {
  let at = 0
  return [...sizes.map((n) => list.slice(at, (at += n))), list.slice(at)] as Groups<T, S>
}
