/** Forced decoding: the oracle's own tokens in chunks through the cache, and how often the greatest logit is the next of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from '../../src/hub/node.ts'
import { jit, type NdArray, np } from '../../src/index.ts'

/** What the oracle was given, and said. */
export const promptsOf = (folder: string): readonly Prompt[] =>
  (JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { readonly prompts: readonly Prompt[] }).prompts
interface Prompt {
  readonly ids: readonly number[]
  readonly greedy: readonly number[]
}

/** The greatest logit's id behind every token, where they come so many at a time. */
export const topsOf = async (folder: string, chunk: number, dtype: 'float32' | 'float16' | 'bfloat16', of: readonly Prompt[]) => {
  const { model, params } = await load(folder)
  const read = jit(
    (p: typeof params, cache: ReturnType<typeof model.cache>, inputIds: NdArray, attentionMask: NdArray) => {
      const out = model.apply(p, { inputIds, attentionMask }, { cache })
      return [np.argmax(out.logits, { axis: -1 }), out.cache!] as const
    },
    { donateArgnums: [1] },
  )
  const tops: number[][] = []
  for (const { ids, greedy } of of) {
    const fed = [...ids, ...greedy.slice(0, -1)]
    const own: number[] = []
    let cache = model.cache(1, 128, { dtype })
    for (let at = 0; at < fed.length; at += chunk) {
      const part = fed.slice(at, at + chunk)
      const row = (value: (i: number) => number) => np.array([Array.from({ length: chunk }, (_, i) => value(i))], { dtype: 'int32' })
      const [top, next] = read(
        params,
        cache,
        row((i) => part[i] ?? 0),
        row((i) => Number(i < part.length)),
      )
      cache = next
      own.push(...[...((await top.data()) as Int32Array)].slice(0, part.length))
    }
    tops.push(own)
  }
  return tops
}
/** Of so many as they had to be. */
export const agreement = (tops: readonly (readonly number[])[], of: readonly Prompt[]): number => {
  const right = of.map(({ ids, greedy }, i) => greedy.filter((id, j) => tops[i]![ids.length - 1 + j] === id).length)
  return right.reduce((a, b) => a + b, 0) / of.reduce((n, { greedy }) => n + greedy.length, 0)
}
