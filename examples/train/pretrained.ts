/** The run's model as Hugging Face has GPT-2: what `npm run chat` and Transformers open. Its biases are 0, and each character is a token. */
import { type NdArray, np, scope } from '../../src/index.ts'
import { writeAtomically, writeSafetensors } from '../../src/io/node.ts'
import type { Params } from './model.ts'
import type { Recipe } from './options.ts'

/** What config.json says to those who load the model, beside what it says of the run. */
export const modelConfig = ({ layers, heads, width, context }: Recipe, vocab: number) =>
  ({
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    vocab_size: vocab,
    n_embd: width,
    n_head: heads,
    n_layer: layers,
    n_positions: context,
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: null,
    eos_token_id: null,
  }) as const

/** Code points as a byte-pair encoding without pairs. */
const tokenizerOf = (vocab: readonly string[]): string =>
  JSON.stringify({
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: { type: 'BPE', vocab: Object.fromEntries(vocab.map((character, id) => [character, id])), merges: [] },
  })

export const saveModel = async (
  paths: { readonly model: string; readonly tokenizer: string; readonly tokenizerConfig: string },
  { wte, wpe, blocks, lnF }: Params,
  vocab: readonly string[],
): Promise<void> => {
  const own = new Set<NdArray>()
  const kept = (x: NdArray): NdArray => (own.add(x), x)
  const norm = (name: string, { scale }: { readonly scale: NdArray }) => ({ [`${name}.weight`]: kept(scale), [`${name}.bias`]: np.zeros(scale.shape) }) // prettier-ignore
  const matrix = (name: string, { w }: { readonly w: NdArray }) => ({
    [`${name}.weight`]: kept(w),
    [`${name}.bias`]: np.zeros([w.shape[1]!]),
  })
  const tensors = scope((): Readonly<Record<string, NdArray>> => ({
    'transformer.wte.weight': kept(wte.w),
    'transformer.wpe.weight': kept(wpe.w),
    ...norm('transformer.ln_f', lnF),
    ...Object.assign(
      {},
      ...blocks.map(({ ln1, attn, ln2, mlp }, i) => ({
        ...norm(`transformer.h.${i}.ln_1`, ln1),
        ...matrix(`transformer.h.${i}.attn.c_attn`, attn.qkv),
        ...matrix(`transformer.h.${i}.attn.c_proj`, attn.proj),
        ...norm(`transformer.h.${i}.ln_2`, ln2),
        ...matrix(`transformer.h.${i}.mlp.c_fc`, mlp.up),
        ...matrix(`transformer.h.${i}.mlp.c_proj`, mlp.down),
      })),
    ),
  }))
  await writeSafetensors(paths.model, tensors, { format: 'pt' })
  for (const x of Object.values(tensors)) if (!own.has(x)) x.dispose()
  await writeAtomically(paths.tokenizer, tokenizerOf(vocab))
  await writeAtomically(paths.tokenizerConfig, '{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}\n')
}
