/** What the job refuses to do: one sentence for a person, and an exit code that isn't zero. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

/** `f()`, with a failure of the file system told as "<what>: <reason>". */
export const attempt = <T>(what: string, f: () => T): T => {
  try {
    return f()
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause)) throw cause
    throw new Refusal(`${what}: ${cause.message}`, { cause })
  }
}
