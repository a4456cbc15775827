/** Stopping: the first Ctrl-C or SIGTERM asks, the second one doesn't. */
import { constants } from 'node:os'

export interface Stop {
  /** The signal that asked for an end, if one did. */
  readonly signal: NodeJS.Signals | null
}
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

/** npm passes on to its child the Ctrl-C that the terminal sent to both: two that come within this many ms are one. */
const ECHO_MS = process.env['npm_lifecycle_event'] === undefined ? 0 : 200

export const listen = (onFirst: (signal: NodeJS.Signals) => void): Stop => {
  const stop: { signal: NodeJS.Signals | null } = { signal: null }
  let first = 0
  const on = (signal: NodeJS.Signals): void => {
    if (stop.signal === null) {
      stop.signal = signal
      first = performance.now()
      onFirst(signal)
    } else if (performance.now() - first >= ECHO_MS) process.exit(exitCodeOf(signal))
  }
  // Nobody reads on (`npm start | head`): an end is asked for in that way too, and what is written from here on goes nowhere.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    stop.signal ??= 'SIGPIPE'
  })
  process.on('SIGINT', on)
  process.on('SIGTERM', on)
  return stop
}

/** Lets signals and writes through: a loop of synchronous calls must wait for this now and then. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
