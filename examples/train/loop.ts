/** The training loop: steps, measurements, validations and checkpoints, until the last step or a signal. */
import { bytesInUse, np } from '../../src/index.ts'
import { lossChart } from './chart.ts'
import { type Checkpoint, saveCheckpoint } from './checkpoint.ts'
import { appendRow, type Config, pathsOf, type Row, syncRows } from './folder.ts'
import { writeAtomically } from '../../src/io/node.ts'
import { free, type Keys, makeDraw, makeLoss, makeTrainStep, scheduleOf, type Params, type State } from './model.ts'
import { saveModel } from './pretrained.ts'
import { describeRow, type Progress } from './progress.ts'
import { Refusal } from './refusal.ts'
import { breathe, type Stop } from './signals.ts'
import type { Corpus } from './text.ts'

export interface Job {
  readonly folder: string
  readonly config: Config
  readonly corpus: Corpus
  readonly keys: Keys
  readonly stop: Stop
  readonly progress: Progress
  /** What the chart calls the text. */
  readonly name: string
}
/** Validation batches; which ones, the seed decides once for all. */
export const VALIDATION_BATCHES = 200

/** Trains from a checkpoint on. The state that comes back is saved; its step is the last one unless a signal came. */
export const train = async (job: Job, from: Checkpoint, kept: readonly Row[]): Promise<State> => {
  const { folder, config, corpus, keys, stop, progress } = job
  const { steps, batch, context, logEvery, evalEvery } = config
  const paths = pathsOf(folder)
  const rows = [...kept]
  const clock = makeClock(config)
  const [trainStep, draw, rateAt] = [makeTrainStep(config), makeDraw(config), scheduleOf(config)]
  const validate = makeValidation(job)
  const isValidated = (step: number): boolean => step % evalEvery === 0 || step === steps
  const isMeasured = (step: number): boolean => step === 1 || step % logEvery === 0 || isValidated(step)

  let { state, open } = from
  /** One update; the state goes in and comes out, and nothing else stays on the device. */
  const advance = async (): Promise<Row | null> => {
    const begun = performance.now()
    const learningRate = rateAt(state.step)
    const inputs = draw(corpus.train, keys.batches, state.step)
    const lr = np.array(learningRate)
    const [loss, gradNorm, params, optimizer] = trainStep(state.params, state.optimizer, inputs[0], inputs[1], lr, inputs[2])
    state = { step: state.step + 1, params, optimizer }
    const reads = isMeasured(state.step) ? await Promise.all([loss.data(), gradNorm.data()]) : null
    free(inputs, lr, loss, gradNorm)
    clock.stepped(performance.now() - begun)
    if (reads === null) return null
    return {
      step: state.step,
      loss: reads[0][0]!,
      gradNorm: reads[1][0]!,
      learningRate,
      tokensPerSecond: (batch * context) / clock.secondsAStep(),
      bytesInUse: bytesInUse(),
    }
  }
  const save = async (): Promise<void> => {
    syncRows(folder)
    await saveCheckpoint(paths.checkpoint, { state, open }, config, corpus.vocab)
    await saveModel(folder, config, state.params, corpus.vocab)
    if (rows.length > 0) await writeAtomically(paths.chart, lossChart(rows, chartOf(job)))
  }

  for (;;) {
    if (open !== null) {
      if (!Number.isFinite(open.loss))
        throw new Refusal(
          `the loss is ${open.loss} at step ${open.step}: a lower --lr than ${config.lr} may help; the checkpoint in ${folder} is from before`,
        )
      const begun = performance.now()
      const valLoss = isValidated(state.step) ? await validate(state.params, state.step) : null
      if (isValidated(state.step) && valLoss === null) break // a signal: the row stays open, and is finished on resuming
      const row: Row = valLoss === null ? open : { ...open, valLoss }
      open = null
      appendRow(folder, row)
      rows.push(row)
      if (valLoss !== null) {
        clock.validated(performance.now() - begun)
        await save()
      }
      progress.row(row, steps, clock.secondsLeft(state.step))
    }
    if (state.step === steps || stop.signal !== null) break
    open = await advance()
    if (open === null) progress.live(state.step / steps, liveText(rows, state.step, steps, clock.secondsLeft(state.step)))
    await breathe()
  }
  if (stop.signal !== null) await save()
  return state
}

const liveText = (rows: readonly Row[], step: number, steps: number, secondsLeft: number): string => {
  const [last, validated] = [rows.at(-1), rows.findLast((r) => r.valLoss !== undefined)]
  return last === undefined ? `step ${step}/${steps}` : describeRow({ ...last, step }, steps, secondsLeft, validated?.valLoss)
}

/** The mean loss over the validation batches; null when a signal comes in between. */
const makeValidation = ({ config, corpus, keys, stop, progress }: Job): ((params: Params, step: number) => Promise<number | null>) => {
  const [draw, lossOf] = [makeDraw(config), makeLoss(config)]
  return async (params, step) => {
    let total = 0
    for (let i = 0; i < VALIDATION_BATCHES; i++) {
      if (stop.signal !== null) return null
      const inputs = draw(corpus.validation, keys.validation, i)
      const loss = lossOf(params, inputs[0], inputs[1])
      total += (await loss.data())[0]!
      free(inputs, loss)
      progress.live(i / VALIDATION_BATCHES, `step ${step}/${config.steps}   validation ${i + 1}/${VALIDATION_BATCHES}`)
      await breathe()
    }
    return total / VALIDATION_BATCHES
  }
}

const chartOf = ({ config, corpus, name }: Job): Parameters<typeof lossChart>[1] => ({
  title: `A GPT learns ${name}`,
  subtitle: `${config.layers} layers · ${config.heads} heads · width ${config.width} · context ${config.context} · batch ${config.batch} · peak learning rate ${config.lr}`,
  vocab: corpus.vocab.length,
  steps: config.steps,
})

interface Clock {
  stepped(ms: number): void
  validated(ms: number): void
  secondsAStep(): number
  secondsLeft(step: number): number
}
/** Time a step since the last measurement; and what is left, from the pace of late. */
const makeClock = ({ steps, evalEvery }: Config): Clock => {
  let [ms, count, pace, validation] = [0, 0, 0, 0]
  return {
    stepped: (taken) => {
      ms += taken
      count++
      pace = pace === 0 || count === 2 ? taken : pace + 0.05 * (taken - pace) // the first one compiles
    },
    validated: (taken) => {
      validation = taken
    },
    secondsAStep: () => {
      const seconds = ms / count / 1000
      ;[ms, count] = [0, 0]
      return seconds
    },
    secondsLeft: (step) => {
      const validations = Math.ceil(steps / evalEvery) - Math.floor(step / evalEvery)
      return ((steps - step) * pace + validations * (validation || 60 * pace)) / 1000 // 60: a validation is 200 losses, a third of a step each
    },
  }
}
