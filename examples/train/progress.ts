/** What a person sees while it trains: on a terminal one line that is written again and again, elsewhere a plain line a measurement. */
import type { Row } from './folder.ts'

export interface Output {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}
export interface Progress {
  /** A line that stays. */
  line(text: string): void
  /** What is going on now, with the share that is done. Shown on a terminal only. */
  live(share: number, text: string): void
  /** A measurement; those with a validation loss stay on a terminal as well. */
  row(row: Row, steps: number, secondsLeft: number): void
}

const whole = (x: number): string => Math.round(x).toLocaleString('en')
/** 3:07, or 1:02:45. */
export const duration = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds))
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60]
  const two = (n: number): string => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}
export const describeRow = (row: Row, steps: number, secondsLeft: number, lastValLoss: number | undefined): string => {
  const valLoss = row.valLoss ?? lastValLoss
  return [
    `step ${String(row.step).padStart(String(steps).length)}/${steps}`,
    `loss ${row.loss.toFixed(4)}`,
    ...(valLoss === undefined ? [] : [`val ${valLoss.toFixed(4)}`]),
    `${whole(row.tokensPerSecond)} tokens/s`,
    `${duration(secondsLeft)} left`,
  ].join('   ')
}

const BAR = 24
const bar = (share: number): string => {
  const done = Math.round(BAR * Math.min(1, Math.max(0, share)))
  return '━'.repeat(done) + '─'.repeat(BAR - done)
}
/** Ten times a second is as fast as anyone reads. */
const LIVE_MS = 100

export const makeProgress = (out: Output): Progress => {
  const live = out.isTTY === true
  const erase = live ? '\r\x1b[K' : ''
  let shown = -Infinity
  let lastValLoss: number | undefined
  const progress: Progress = {
    line: (text) => void out.write(`${erase}${text}\n`),
    live: (share, text) => {
      if (!live || performance.now() - shown < LIVE_MS) return
      shown = performance.now()
      out.write(erase + `${bar(share)}  ${text}`.slice(0, (out.columns ?? 80) - 1))
    },
    row: (row, steps, secondsLeft) => {
      const text = describeRow(row, steps, secondsLeft, lastValLoss)
      lastValLoss = row.valLoss ?? lastValLoss
      if (!live || row.valLoss !== undefined) progress.line(text)
      else progress.live(row.step / steps, text)
    },
  }
  return progress
}
