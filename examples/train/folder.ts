/** A run's folder. config.json is written last and means that the run exists; each file is replaced whole, and metrics.jsonl only grows. */
import { createHash } from 'node:crypto'
import { appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeAtomically } from '../../src/io/node.ts'
import { LOCK, lockFolder } from './lock.ts'
import { defaults, flagOf, holds, type Recipe } from './options.ts'
import { modelConfig } from './pretrained.ts'
import { attempt, Refusal } from './refusal.ts'
import { readText } from './text.ts'

export interface Config extends Recipe {
  /** Where the text came from: a path, or null for the project's own sources. text.txt has its contents. */
  readonly text: string | null
  /** Of text.txt: a run whose text was edited is another one. Runs of before have none. */
  readonly textSha256?: string
}
/** A line of metrics.jsonl. The losses and the norm are those of the step's batch, before its update; valLoss is measured after it. */
export interface Row {
  /** Updates done, this one included. */
  readonly step: number
  readonly loss: number
  readonly learningRate: number
  /** Before clipping. */
  readonly gradNorm: number
  readonly tokensPerSecond: number
  /** Bytes that arrays hold on the device. */
  readonly bytesInUse: number
  readonly valLoss?: number
}

export const pathsOf = (folder: string) =>
  ({
    config: join(folder, 'config.json'),
    text: join(folder, 'text.txt'),
    metrics: join(folder, 'metrics.jsonl'),
    chart: join(folder, 'loss.svg'),
    checkpoint: join(folder, 'checkpoint.safetensors'),
    sample: join(folder, 'sample.txt'),
  }) as const

/** runs/2026-03-01-142500, or the first such name with a number behind it that is free. */
export const newFolder = (now: Date): string => {
  const name = join('runs', now.toISOString().slice(0, 19).replace('T', '-').replaceAll(':', ''))
  for (let n = 1; ; n++) {
    const folder = n === 1 ? name : `${name}-${n}`
    if (!existsSync(folder)) return folder
  }
}

/** The folder and those around it. Node's own recursive mkdir never ends where a folder that exists can't be added to, as /proc. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder))
  mkdirSync(folder)
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Makes the folder of a new run, locks it, and gives the configuration with what tells its text. Refuses one that holds a run or anything else. */
export const createRun = async (folder: string, config: Config, text: string, vocab: number): Promise<Config> => {
  attempt(`the folder ${folder} can't be made`, () => makeFolder(folder))
  refuseHeld(folder) // before the lock, too: it goes into no folder of somebody else's
  lockFolder(folder)
  refuseHeld(folder)
  const paths = pathsOf(folder)
  await writeAtomically(paths.text, text)
  const whole = { ...config, textSha256: sha256(text) }
  await writeAtomically(paths.config, `${JSON.stringify({ ...whole, ...modelConfig(config, vocab) }, null, 2)}\n`)
  return whole
}

const refuseHeld = (folder: string): void => {
  const held = attempt(`the folder ${folder} can't be read`, () => readdirSync(folder)).filter((name) => !name.endsWith('.tmp'))
  if (held.includes('config.json'))
    throw new Refusal(`${folder} already holds a run: go on with --resume ${folder}, or choose another --out`)
  // What a run that was killed before it began may have left is no obstacle.
  const foreign = held.find((name) => name !== 'text.txt' && name !== LOCK)
  if (foreign !== undefined) throw new Refusal(`${folder} isn't empty (${foreign} is in it): choose another --out`)
}

/** The text of an existing run. Refuses one that isn't what the run began with. */
export const readRunText = (folder: string, { textSha256 }: Config): string => {
  const path = pathsOf(folder).text
  const text = readText(path)
  if (textSha256 !== undefined && sha256(text) !== textSha256)
    throw new Refusal(`${path} was edited since the run began: put back what it was, or start a new run with --text ${path}`)
  return text
}

/** The configuration of an existing run. */
export const readConfig = (folder: string): Config => {
  const { config } = pathsOf(folder)
  if (!existsSync(config)) throw new Refusal(`${folder} holds no run to resume: there is no config.json in it`)
  const text = attempt(`${config} can't be read`, () => readFileSync(config, 'utf8'))
  const broken = (cause?: unknown): Refusal => new Refusal(`${config} isn't the configuration of a run`, { cause })
  let value: Partial<Record<string, unknown>> | null
  try {
    value = JSON.parse(text) as typeof value
  } catch (cause) {
    throw broken(cause)
  }
  const wrong = (Object.keys(defaults) as (keyof Recipe)[]).find((key) => !holds(key, value?.[key]))
  if (wrong !== undefined || !(value?.['text'] === null || typeof value?.['text'] === 'string')) throw broken()
  if (!['string', 'undefined'].includes(typeof value['textSha256'])) throw broken()
  return value as unknown as Config
}

/** Refuses what the command line says otherwise than the run. */
export const refuseConflicts = (folder: string, config: Config, given: Partial<Recipe>): void => {
  for (const [key, value] of Object.entries(given)) {
    const kept = config[key as keyof Recipe]
    if (kept !== value)
      throw new Refusal(
        `${flagOf(key)} ${value} differs from the ${kept} that the run in ${folder} began with: leave it out, or start a new run`,
      )
  }
}

/** Adds a line. It is in the kernel's hands when this returns, so that killing the process doesn't lose it. */
export const appendRow = (folder: string, row: Row): void => {
  const { metrics } = pathsOf(folder)
  attempt(`${metrics} can't be written`, () => appendFileSync(metrics, `${JSON.stringify(row)}\n`))
}

/** Flushes the lines to the disk: a checkpoint may only follow the lines before it. */
export const syncRows = (folder: string): void => {
  const { metrics } = pathsOf(folder)
  attempt(`${metrics} can't be written`, () => {
    const file = openSync(metrics, 'a')
    fsyncSync(file)
    closeSync(file)
  })
}

/** The lines up to a step. What a stopped run wrote after its last checkpoint, whole or torn, is cut off. */
export const keepRows = async (folder: string, step: number): Promise<readonly Row[]> => {
  const { metrics } = pathsOf(folder)
  const text = existsSync(metrics) ? attempt(`${metrics} can't be read`, () => readFileSync(metrics, 'utf8')) : ''
  const rows: Row[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    const row = parseRow(line)
    if (row === null || row.step > step) break
    rows.push(row)
  }
  const kept = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  if (kept !== text) await writeAtomically(metrics, kept)
  return rows
}

/** A line of the metrics, or null where it is torn. */
export const parseRow = (line: string): Row | null => {
  try {
    const row = JSON.parse(line) as Partial<Row> | null
    return typeof row?.step === 'number' && typeof row.loss === 'number' ? (row as Row) : null
  } catch {
    return null
  }
}
