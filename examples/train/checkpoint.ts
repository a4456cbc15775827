/** Checkpoints: parameters, optimizer state and step in one safetensors file. docs/checkpoints.md says what each name means. */
import { existsSync } from 'node:fs'
import { fromNamed, toNamed } from '../../src/io/index.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/node.ts'
import { parseRow, type Row } from './folder.ts'
import { free, type State } from './model.ts'
import type { Recipe } from './options.ts'
import { Refusal } from './refusal.ts'

/** A state, and the step's line of the metrics where it still waits for its validation. */
export interface Checkpoint {
  readonly state: State
  readonly open: Row | null
}
const PARAMS = 'params.'
const OPTIMIZER = 'optimizer.'

export const saveCheckpoint = (path: string, { state, open }: Checkpoint, recipe: Recipe, vocab: readonly string[]): Promise<void> =>
  writeSafetensors(
    path,
    { ...toNamed(state.params, { prefix: PARAMS }), ...toNamed(state.optimizer, { prefix: OPTIMIZER }) },
    {
      model: 'gpt',
      step: String(state.step),
      heads: String(recipe.heads),
      vocab: JSON.stringify(vocab),
      ...(open === null ? {} : { open: JSON.stringify(open) }),
    },
  )

/** The checkpoint of a run; a run that was stopped before its first one starts again from `initial`, whose arrays are freed otherwise. */
export const loadCheckpoint = async (
  path: string,
  initial: State,
  { heads, steps }: Recipe,
  vocab: readonly string[],
): Promise<Checkpoint> => {
  if (!existsSync(path)) return { state: initial, open: null }
  const { tensors, metadata } = await readSafetensors(path)
  const params = fromNamed(initial.params, tensors, path, { prefix: PARAMS })
  const optimizer = fromNamed(initial.optimizer, tensors, path, { prefix: OPTIMIZER })
  const step = Number(metadata['step'])
  if (!Number.isInteger(step) || step < 0 || step > steps)
    throw new Refusal(`${path} is of step ${metadata['step']}, and the run has the steps 0 to ${steps}`)
  if (metadata['heads'] !== String(heads))
    throw new Refusal(`${path} is of a model with ${metadata['heads']} heads, and the run's has ${heads}`)
  if (metadata['vocab'] !== JSON.stringify(vocab)) throw new Refusal(`${path} knows other characters than the text of the run`)
  const open = metadata['open'] === undefined ? null : parseRow(metadata['open'])
  if (open === null && metadata['open'] !== undefined) throw new Refusal(`${path} has an open line that isn't one of the metrics`)
  free(initial.params, initial.optimizer)
  return { state: { step, params, optimizer }, open }
}
