/** The training job as a process: bundled once into a folder of its own, started with flags, killed, and its folder read. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import type { Row } from '../../examples/train/folder.ts'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}
export interface Running {
  kill(signal: NodeJS.Signals): void
  /** Calls back once the output holds a text. */
  when(shown: string, then: () => void): void
  /** Stops reading its output. */
  deafen(): void
}
export interface Lab {
  /** A new path in the laboratory. */
  path(name: string): string
  /** Runs to its end; `meddle` may kill the process meanwhile. */
  run(args: readonly string[], meddle?: (process: Running) => void): Promise<Ended>
  close(): void
}

/** A folder that looks like an installed program with no sources beside it. */
export const makeLab = async (): Promise<Lab> => {
  const root = mkdtempSync(join(tmpdir(), 'train-'))
  mkdirSync(join(root, 'app'))
  const script = join(root, 'app/train.mjs')
  await build({ entryPoints: [resolve('examples/train.ts')], bundle: true, platform: 'node', format: 'esm', outfile: script })
  writeFileSync(join(root, 'package.json'), '{}')
  let made = 0
  return {
    path: (name) => join(root, `${made++}-${name}`),
    run: (args, meddle) =>
      new Promise((done, failed) => {
        const child = spawn(process.execPath, [script, ...args], { cwd: root, env: { ...process.env, npm_lifecycle_event: undefined } })
        let [out, err] = ['', '']
        child.stdout.on('data', (s: Buffer) => (out += s.toString()))
        child.stderr.on('data', (s: Buffer) => (err += s.toString()))
        child.on('error', failed)
        child.on('close', (code) => done({ code, out, err }))
        meddle?.({
          kill: (signal) => void child.kill(signal),
          when: (shown, then) => {
            const look = (): void => {
              if (!out.includes(shown)) return
              child.stdout.off('data', look)
              then()
            }
            child.stdout.on('data', look)
          },
          deafen: () => child.stdout.destroy(),
        })
      }),
    close: () => rmSync(root, { recursive: true }),
  }
}

export const rowsOf = (folder: string): readonly Row[] =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
/** What must be the same however a run was stopped: all but the speed. */
export const lossesOf = (folder: string): readonly Omit<Row, 'tokensPerSecond'>[] =>
  rowsOf(folder).map(({ tokensPerSecond: _, ...row }) => row)

/** A text with something to learn in it. */
export const text = (characters: number): string =>
  'the quick brown fox jumps over the lazy dog,\nand runs; '.repeat(characters / 50 + 1).slice(0, characters)
export const small = [
  '--layers',
  '1',
  '--heads',
  '2',
  '--width',
  '8',
  '--context',
  '8',
  '--batch',
  '2',
  '--log-every',
  '5',
  '--eval-every',
  '20',
] as const
