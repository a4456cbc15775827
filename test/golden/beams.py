"""beams.json: what Transformers' beam search says on models/llama, models/mistral and models/t5.

Every entry: {model, prompt, beams, maxNewTokens, lengthPenalty, earlyStopping, eos, sequences, scores}: the new ids of each beam, best first, without what pads them.
"""
import torch
import transformers as hf

from golden import HERE, write

torch.set_num_threads(1)
hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()

PROMPTS = ([1, 5, 9], [7, 33, 12, 60, 4, 18, 25])
CASES = [
    # beams, maxNewTokens, lengthPenalty, earlyStopping, eos
    (1, 12, 1.0, False, []),
    (3, 12, 1.0, False, []),
    (4, 1, 1.0, False, []),
    (4, 16, 1.0, False, [11]),
    (4, 16, 1.0, False, range(3, 20)),
    (4, 16, 2.0, False, range(3, 20)),
    (4, 16, 2.0, "never", range(3, 20)),
    (4, 16, 0.0, False, range(3, 20)),
    (4, 16, 0.0, "never", range(3, 20)),
    (4, 16, -1.0, False, range(3, 20)),
    (4, 16, 1.0, True, range(3, 20)),
    (5, 16, 0.6, "never", [11, 12, 40]),
]


def entries(name, kind, start):
    model = kind.from_pretrained(HERE / "models" / name, attn_implementation="eager").eval()
    for prompt in PROMPTS:
        for beams, new, penalty, early, eos in CASES:
            eos = list(eos)
            pad = 0
            out = model.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False, num_beams=beams, num_return_sequences=beams,
                max_new_tokens=new, length_penalty=penalty, early_stopping=early, eos_token_id=eos or None, pad_token_id=pad,
                return_dict_in_generate=True, output_scores=True,
            )  # fmt: skip
            if beams == 1:  # generate() is greedy then, and has no scores of sequences
                tokens = out.sequences[:, start or len(prompt) :]
                logp = torch.stack([torch.log_softmax(s, -1) for s in out.scores], 1)
                scores = [float(logp[0, range(new), tokens[0]].sum() / new**penalty)]
            else:
                tokens, scores = out.sequences[:, start or len(prompt) :], out.sequences_scores.tolist()
            sequences = []
            for row in tokens.tolist():
                end = next((i + 1 for i, t in enumerate(row) if t in eos), len(row))
                sequences.append(row[:end])
            yield {"model": name, "prompt": prompt, "beams": beams, "maxNewTokens": new, "lengthPenalty": penalty, "earlyStopping": early, "eos": eos,
                   "sequences": sequences, "scores": [float(f"{s:.7g}") for s in scores]}  # fmt: skip


cases = [
    *entries("llama", hf.LlamaForCausalLM, None),
    *entries("mistral", hf.MistralForCausalLM, None),
    *entries("t5", hf.T5ForConditionalGeneration, 1),
]
write("beams.json", {"versions": {"torch": torch.__version__, "transformers": hf.__version__}, "cases": cases})
