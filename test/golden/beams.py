"""beams.json: what Transformers' beam search says on models/llama, models/mistral and models/t5.

Every entry of `cases`: {model, prompt, beams, maxNewTokens, lengthPenalty, earlyStopping, eos, sequences, scores}: the new ids of each beam, best first, without what pads them.
`batches`: the same of several `prompts` in one call, padded on their left; `sequences` and `scores` have a list for each.
"""
import torch
import transformers as hf

from golden import HERE, write

torch.set_num_threads(1)
hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()

PROMPTS = ([1, 5, 9], [7, 33, 12, 60, 4, 18, 25])
TOGETHER = [*PROMPTS, [50], [3, 3, 40, 8, 27, 14, 9, 61, 30, 22, 6, 45]]
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


IN_BATCHES = (CASES[1], CASES[4], CASES[6], CASES[9], CASES[10], CASES[11])


def found(model, prompts, start, beams, new, penalty, early, eos):
    """The sequences of each prompt and their scores."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(
        ids, attention_mask=mask, do_sample=False, num_beams=beams, num_return_sequences=beams, max_new_tokens=new, length_penalty=penalty, early_stopping=early,
        eos_token_id=eos or None, pad_token_id=0, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    tokens = out.sequences[:, start or longest :]
    if beams == 1:  # generate() is greedy then, and has no scores of sequences
        logp = torch.stack([torch.log_softmax(s, -1) for s in out.scores], 1)
        scores = [float(logp[0, range(new), tokens[0]].sum() / new**penalty)]
    else:
        scores = out.sequences_scores.tolist()
    sequences = [row[: next((i + 1 for i, t in enumerate(row) if t in eos), len(row))] for row in tokens.tolist()]
    scores = [float(f"{s:.7g}") for s in scores]
    each = [slice(i * beams, (i + 1) * beams) for i in range(len(prompts))]
    return [sequences[at] for at in each], [scores[at] for at in each]


def loaded(name, kind):
    return kind.from_pretrained(HERE / "models" / name, attn_implementation="eager").eval()


def options(beams, new, penalty, early, eos):
    return {"beams": beams, "maxNewTokens": new, "lengthPenalty": penalty, "earlyStopping": early, "eos": list(eos)}


def entries(name, kind, start):
    model = loaded(name, kind)
    for prompt in PROMPTS:
        for case in CASES:
            own = options(*case)
            (sequences,), (scores,) = found(model, [prompt], start, *own.values())
            yield {"model": name, "prompt": prompt, **own, "sequences": sequences, "scores": scores}


def batches(name, kind, start):
    model = loaded(name, kind)
    for case in IN_BATCHES:
        own = options(*case)
        sequences, scores = found(model, TOGETHER, start, *own.values())
        for prompt, *together in zip(TOGETHER, sequences, scores):
            (alone,), (score,) = found(model, [prompt], start, *own.values())
            assert together[0] == alone and max(abs(a - b) for a, b in zip(together[1], score)) < 1e-5, (name, own, prompt)
        yield {"model": name, "prompts": TOGETHER, **own, "sequences": sequences, "scores": scores}


MODELS = (("llama", hf.LlamaForCausalLM, None), ("mistral", hf.MistralForCausalLM, None), ("t5", hf.T5ForConditionalGeneration, 1))
cases = [entry for model in MODELS for entry in entries(*model)]
together = [entry for model in MODELS for entry in batches(*model)]
write("beams.json", {"versions": {"torch": torch.__version__, "transformers": hf.__version__}, "cases": cases, "batches": together})
