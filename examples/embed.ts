/** `npm run embed -- --model SOURCE`: how alike sentences are, as a model of sentences sees it. */
import { parseArgs } from 'node:util'
import { init, jit, type NdArray, np } from '../src/index.ts'
import { load } from '../src/hub/node.ts'
import { type EncoderParams, meanPooled } from '../src/models/index.ts'
import { command } from './commandLine.ts'
import { Refusal } from './train/refusal.ts'

const HELP = `Prints how alike sentences are: the cosine of the angle between their vectors.

  npm run embed -- --model SOURCE [SENTENCE…]

  --model SOURCE   a folder in Hugging Face's form, a URL of one, or a Hub id
  --device D       wasm or webgpu (wasm)

Without sentences it compares a few of its own.`
const SENTENCES = [
  'A cat sleeps on the sofa.',
  'The kitten naps on the couch.',
  'Stock prices fell sharply.',
  'The market lost a lot today.',
]

const run = async (): Promise<void> => {
  const text = { type: 'string' } as const
  const options = { model: text, device: { ...text, default: 'wasm' }, help: { type: 'boolean', short: 'h' } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (values.help === true) return void process.stdout.write(`${HELP}\n`)
  if (values.model === undefined) throw new Refusal('--model is needed: a folder, a URL or a Hub id (--help says more)')
  await init({ device: values.device as 'wasm' })
  const { model, params, tokenizer } = await load(values.model, { kind: 'encoder' })
  if (tokenizer === null) throw new Refusal(`${values.model} has no tokenizer.json: there is nothing to read sentences with`)
  const sentences = positionals.length > 0 ? positionals : SENTENCES
  const { context, padding } = model.config
  const most = context === null ? Infinity : context - (padding === null ? 0 : padding + 1)
  const rows = sentences.map((sentence) => {
    const ids = tokenizer.encode(sentence)
    if (ids.length <= most) return ids
    process.stderr.write(`of ${ids.length} tokens the first ${most} are read: ${sentence.slice(0, 40)}…\n`)
    return [...ids.slice(0, most - 1), ids.at(-1)!] // what ends a sentence stays
  })
  const longest = Math.max(...rows.map((row) => row.length))
  const matrix = (of: (row: readonly number[], t: number) => number): NdArray =>
    np.array(Int32Array.from(rows.flatMap((row) => Array.from({ length: longest }, (_, t) => of(row, t))))).reshape(rows.length, longest)
  const inputIds = matrix((row, t) => row[t] ?? tokenizer.special.pad ?? 0)
  const attentionMask = matrix((row, t) => Number(t < row.length))
  const embed = jit((p: EncoderParams, ids: NdArray, mask: NdArray) =>
    meanPooled(model.apply(p, { inputIds: ids, attentionMask: mask }).lastHiddenState, mask),
  )
  const vectors = embed(params, inputIds, attentionMask) // [N,D], each of length 1
  const alike = (await vectors.matmul(vectors.T).data()) as Float32Array
  sentences.forEach((sentence, i) => {
    process.stdout.write(`${sentences.map((_, j) => alike[i * sentences.length + j]!.toFixed(2).padStart(6)).join('')}  ${sentence}\n`)
  })
}

await command(run)
