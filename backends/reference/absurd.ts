/** Closes a union whose cases are all met. Its own, since the oracle is loaded on demand: a module shared with the bundle would be a chunk apart. */
export const absurd = <A>(value: never): A => {
  throw new Error(`no such case: ${String(value)}`)
}
