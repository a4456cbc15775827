/** The main job, `npm start`: a GPT learns a text character by character through one jitted, donated train step, and then writes. `--help` says how. */
import { basename } from 'node:path'
import { CotangentError, devices, init, tree } from '../src/index.ts'
import { writeAtomically } from '../src/io/node.ts'
import { again } from './software/again.ts'
import { type Checkpoint, loadCheckpoint } from './train/checkpoint.ts'
import { type Config, createRun, keepRows, newFolder, pathsOf, readConfig, readRunText, refuseConflicts, type Row } from './train/folder.ts'
import { lockFolder } from './train/lock.ts'
import { type Job, train } from './train/loop.ts'
import { refuseTooLarge } from './train/memory.ts'
import { initialState, keysOf } from './train/model.ts'
import { type Command, help, readCommand } from './train/options.ts'
import { makeProgress } from './train/progress.ts'
import { Refusal } from './train/refusal.ts'
import { exitCodeOf, listen, type Stop } from './train/signals.ts'
import { type Corpus, corpusOf, ownText, readText } from './train/text.ts'
import { writeText } from './train/write.ts'

type Go = Exclude<Command, { readonly kind: 'help' }>
interface Run {
  readonly folder: string
  readonly config: Config
  readonly corpus: Corpus
}

/** The run that a command means: its folder, made where it is new, its configuration and its text. */
const openRun = async (command: Go): Promise<Run> => {
  if (command.kind === 'resume') {
    const { folder, given } = command
    const config = readConfig(folder)
    refuseConflicts(folder, config, given)
    lockFolder(folder)
    await init({ device: config.device })
    const text = readRunText(folder, config)
    if (command.text !== null && readText(command.text) !== text)
      throw new Refusal(
        `--text ${command.text} differs from the text that the run in ${folder} began with: leave it out, or start a new run`,
      )
    const corpus = corpusOf(text, config.context)
    refuseTooLarge(config, corpus.vocab.length)
    return { folder, config, corpus }
  }
  const { recipe, text: path } = command
  await init({ device: recipe.device })
  const text = path === null ? ownText() : readText(path)
  const corpus = corpusOf(text, recipe.context)
  refuseTooLarge(recipe, corpus.vocab.length)
  const folder = command.out ?? newFolder(new Date())
  const config = await createRun(folder, { ...recipe, text: path }, text, corpus.vocab.length)
  return { folder, config, corpus }
}

const main = async (args: readonly string[]): Promise<number> => {
  const command = readCommand(args)
  const progress = makeProgress(process.stdout)
  if (command.kind === 'help') {
    progress.line(help())
    return 0
  }
  const device = command.kind === 'start' ? command.recipe.device : readConfig(command.folder).device
  const gpu = device === 'webgpu' ? (await devices()).find((d) => d.device === device)! : null
  if (gpu?.reason !== undefined) {
    const code = await again(() => progress.line(`${gpu.reason}\nSo this runs on SwiftShader, a GPU in software, and slowly.`))
    if (code !== null) return code
  }
  const stop = listen((signal) => progress.line(`${signal}: finishing the step and saving; once more, and it ends at once`))
  const { folder, config, corpus } = await openRun(command)
  const paths = pathsOf(folder)
  const keys = keysOf(config.seed)
  const initial = initialState(keys.weights, config, corpus.vocab.length)
  const from: Checkpoint = await loadCheckpoint(paths.checkpoint, initial, config, corpus.vocab)
  const rows: readonly Row[] = await keepRows(folder, from.state.step)
  const name = config.text === null ? 'its own sources' : basename(config.text)
  const job: Job = { folder, config, corpus, keys, stop, progress, name }

  const parameters = tree.reduce((n, p) => n + p.size, from.state.params, 0)
  const characters = corpus.train.size + corpus.validation.size
  progress.line(
    `A GPT of ${parameters.toLocaleString('en')} parameters learns ${name}: ${characters.toLocaleString('en')} characters, ${corpus.vocab.length} of them distinct.`,
  )
  const adapter = gpu?.adapter === undefined ? '' : ` (${gpu.adapter.vendor} ${gpu.adapter.architecture})`
  const begun = from.state.step > 0 ? `, from step ${from.state.step} on` : ''
  progress.line(`Device ${config.device}${adapter}, run folder ${folder}${begun}.\n`)

  const state = await train(job, from, rows)
  if (stop.signal !== null)
    return stopped(stop, `Stopped and saved at step ${state.step} of ${config.steps}. Go on with: npm start -- --resume ${folder}`, job)
  progress.line('\nThe model writes:\n')
  let text = ''
  for await (const character of writeText(state.params, job)) {
    text += character
    process.stdout.write(character)
  }
  progress.line('')
  if (stop.signal !== null) return stopped(stop, `Stopped. The run in ${folder} is complete.`, job)
  await writeAtomically(paths.sample, text)
  progress.line(`\nLoss curve, metrics, checkpoint and sample are in ${folder}.`)
  return 0
}

const stopped = ({ signal }: Stop, sentence: string, { progress }: Job): number => {
  progress.line(sentence)
  return exitCodeOf(signal!)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Refusal || error instanceof CotangentError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
