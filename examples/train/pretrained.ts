/** The run's model as Hugging Face has GPT-2: what `npm run chat` and Transformers open. Its biases are 0, and each character is a token. */
import { save } from '../../src/hub/node.ts'
import { type NdArray, np, scope } from '../../src/index.ts'
import { fromConfig } from '../../src/models/index.ts'
import { tokenizerOf } from '../../src/text/index.ts'
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
    dtype: 'float32',
  }) as const

/** Code points as a byte-pair encoding without pairs. */
const letters = (vocab: readonly string[]) =>
  tokenizerOf(
    {
      // Transformers wants every part named.
      ...{ version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } },
      model: { type: 'BPE', vocab: Object.fromEntries(vocab.map((character, id) => [character, id])), merges: [] },
    },
    { tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false },
  )

/** Writes model and tokenizer beside the run; config.json, which says what the run is, too. */
export const saveModel = async (
  folder: string,
  config: Recipe,
  { wte, wpe, blocks, lnF }: Params,
  vocab: readonly string[],
): Promise<void> => {
  const made: NdArray[] = []
  const zeros = (n: number): NdArray => (made.push(np.zeros([n])), made.at(-1)!)
  const norm = ({ scale }: { readonly scale: NdArray }) => ({ scale, bias: zeros(scale.size) })
  const linear = ({ w }: { readonly w: NdArray }) => ({ w, b: zeros(w.shape[1]!) })
  const params = scope(() => ({
    embed: wte,
    positions: wpe,
    layers: blocks.map(({ ln1, attn, ln2, mlp }) => ({
      attnNorm: norm(ln1),
      attn: { qkv: linear(attn.qkv), o: linear(attn.proj) },
      mlpNorm: norm(ln2),
      mlp: { up: linear(mlp.up), down: linear(mlp.down) },
    })),
    norm: norm(lnF),
  }))
  await save(folder, fromConfig({ ...config, ...modelConfig(config, vocab.length) }), params, { tokenizer: letters(vocab) })
  for (const x of made) x.dispose()
}
