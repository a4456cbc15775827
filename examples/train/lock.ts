/** One job a folder: while it runs, `run.lock` names its process. What a killed process left is taken over. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, Refusal } from './refusal.ts'

export const LOCK = 'run.lock'

/** Takes the folder until this process ends, however it ends. Refuses where another process has it. */
export const lockFolder = (folder: string): void => {
  const lock = join(folder, LOCK)
  const own = `${lock}.${process.pid}.tmp`
  const mine = JSON.stringify({ pid: process.pid, began: beganAt(process.pid) })
  attempt(`${lock} can't be made`, () => writeFileSync(own, mine))
  try {
    for (let stale = holder(lock); !linked(own, lock); stale = holder(lock)) {
      if (stale !== null && isAlive(stale))
        throw new Refusal(`the run in ${folder} is being trained by process ${pidOf(stale)}: wait for it or stop it (it holds ${lock})`)
      if (stale !== null) discard(lock, stale, own)
    }
  } finally {
    rmSync(own, { force: true })
  }
  process.once('exit', () => {
    if (holder(lock) === mine) rmSync(lock)
  })
}

/** Whether the lock is ours now. A link appears whole, and only where nothing is. */
const linked = (own: string, lock: string): boolean => {
  try {
    linkSync(own, lock)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new Refusal(`${lock} can't be made: ${(cause as Error).message}`, { cause })
  }
}

/** Takes a lock away that nobody holds, unless another process was faster: then its lock goes back. */
const discard = (lock: string, stale: string, own: string): void => {
  const aside = `${own}.stale.tmp`
  try {
    renameSync(lock, aside)
    if (holder(aside) !== stale) linked(aside, lock)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Refusal(`${lock} can't be taken over: ${(cause as Error).message}`, { cause })
  } finally {
    rmSync(aside, { force: true })
  }
}

/** What a lock says; null where there is none. */
const holder = (lock: string): string | null => {
  try {
    return readFileSync(lock, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new Refusal(`${lock} can't be read: ${(cause as Error).message}`, { cause })
  }
}

const parsed = (text: string): { readonly pid?: unknown; readonly began?: unknown } => {
  try {
    return (JSON.parse(text) ?? {}) as { readonly pid?: unknown; readonly began?: unknown }
  } catch {
    return {}
  }
}
const pidOf = (text: string): number => {
  const { pid } = parsed(text)
  return Number.isInteger(pid) && (pid as number) > 0 ? (pid as number) : 0
}

/** Whether the process that wrote a lock runs: one of its number does, and began when it did. */
const isAlive = (text: string): boolean => {
  const pid = pidOf(text)
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') return false // EPERM: it runs, as somebody else's
  }
  return parsed(text).began === beganAt(pid)
}

/** When a process began, in ticks since the machine did: numbers of processes come again. '' where it has ended, or there is no /proc. */
const beganAt = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // from the third on: the second is a name, which may hold anything
    return fields[0] === 'Z' ? '' : (fields[19] ?? '')
  } catch {
    return ''
  }
}
