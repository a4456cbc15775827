/** Whether a run fits, told before anything is made. The figures are lower bounds: what they refuse would fail later, after minutes. */
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Recipe } from './options.ts'
import { Refusal } from './refusal.ts'

const FLOAT = 4
/** Weights, gradients, and AdamW's two moments. */
const COPIES = 4
/** Floats that a token leaves in a block for the way back, in widths: 20 to 30 on wasm. */
const KEPT = 16
/** JavaScript objects that stand for a block while its step is traced and compiled; a megabyte and more. */
const TRACED = 1 << 19
/** WebAssembly's addresses are looked at as signed numbers; other devices are taken for no larger than the machine. */
const WASM = 2 ** 31

export const parametersOf = ({ layers, width: D, context }: Recipe, vocab: number): number =>
  vocab * D + context * D + D + layers * (2 * D + 12 * D * D) // wte, wpe, the last norm; two norms, qkv, proj, up and down

const size = (bytes: number): string => `${(bytes / 2 ** 30).toLocaleString('en', { maximumSignificantDigits: 3 })} GiB`

/** Refuses a recipe whose train step the device, or this process, has no room for. */
export const refuseTooLarge = (recipe: Recipe, vocab: number): void => {
  const { layers, width, context, batch, device } = recipe
  const parameters = parametersOf(recipe, vocab)
  const bytes = FLOAT * (COPIES * parameters + batch * context * (KEPT * layers * width + vocab))
  const room = device === 'wasm' ? Math.min(WASM, totalmem()) : totalmem()
  const asked = `--layers ${layers} --width ${width} --context ${context} --batch ${batch}`
  if (bytes > room)
    throw new Refusal(
      `${asked} don't fit in memory: the weights, gradients and moments of ${parameters.toLocaleString('en')} parameters and the activations of a step take ${size(bytes)} at least, and ${device} has ${size(room)}: make one of them smaller`,
    )
  const heap = getHeapStatistics().heap_size_limit
  if (TRACED * layers > heap)
    throw new Refusal(
      `${asked} don't fit in memory: tracing ${layers} layers takes ${size(TRACED * layers)} of JavaScript objects at least, and Node has ${size(heap)}: make --layers smaller`,
    )
}
