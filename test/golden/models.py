"""models/NAME/: tiny random models made by Hugging Face Transformers, with what they answer, so that tests can hold our own architectures to them.

Each folder has config.json and model.safetensors as save_pretrained writes them, and expected.json (README.md says what it holds).
Every weight is random, also biases and norm scales: a forgotten one would show. A model's seed is the first that gives a
checkable model: spread but unsaturated logits, gradients in all parameters, greedy tokens that vary and win by more than noise.

Run without names to write all, or with the names of some: models.py llama t5
"""
import json
import shutil
import sys

import numpy as np
import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import load_file

from golden import HERE, write

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
hf.logging.set_verbosity_error()
hf.logging.disable_progress_bar()

VERSIONS = {"torch": torch.__version__, "transformers": hf.__version__}
NEW = 20  # greedy tokens
STEPS = 8
ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}


class Unfit(Exception):
    """This seed gives a model that would hide mistakes."""


# -- how values are written


def digits(v):
    return float(f"{float(v.detach() if isinstance(v, torch.Tensor) else v):.7g}")


def array(x):
    """{dtype, shape, data} with floats of seven digits."""
    x = x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    floats = x.dtype.kind == "f"
    return {"dtype": "float32" if floats else "int32", "shape": list(x.shape), "data": [digits(v) if floats else int(v) for v in x.ravel()]}


# -- what all families share


LAST_NORMS = ("transformer.ln_f.weight", "model.norm.weight", "decoder.final_layer_norm.weight")
T5_SPREAD = {"shared.weight": 0.9, ".q.weight": 0.1, "relative_attention_bias.weight": 1.0}  # its scores aren't divided by anything, and its tied logits by sqrt(d_model)


def randomize(model, seed, spread):
    """Matrices are spread * normal; vectors (biases, norm scales) are what they are by default plus 0.3 * normal.

    The scale of a decoder's last norm is of both signs: a tied head would else say the token it has just read, again and again.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name in LAST_NORMS:
                p.copy_(noise - 1 if float(p[0]) == 0 else noise)  # Gemma's scale is 1 plus what is stored
            else:
                p.copy_(p + 0.3 * noise if p.ndim < 2 else next((v for k, v in T5_SPREAD.items() if name.endswith(k)), spread) * noise)


def forget_rope(model):
    """Rotary embeddings of kind dynamic remember the longest input; every answer here is that of a fresh model."""
    for module in model.modules():
        if hasattr(module, "max_seq_len_cached") and hasattr(module, "original_inv_freq"):
            module.inv_freq = module.original_inv_freq.clone()
            module.max_seq_len_cached = module.original_max_seq_len


def gradients(model, loss_of, without=()):
    """The loss and the gradient norm of each parameter. Norms that are zero but for rounding are written as 0.

    `without`: parts of the names of parameters that the loss doesn't depend on; all others must have a gradient.
    """
    forget_rope(model)
    model.zero_grad(set_to_none=True)
    loss = loss_of()
    loss.backward()
    norms = {}
    for name, p in model.named_parameters():
        norm = 0.0 if p.grad is None else float(p.grad.double().norm())
        idle = any(part in name for part in without)
        if idle:
            assert norm < 1e-5, f"{name} has a gradient: {norm}"
            norm = 0.0
        elif norm < 1e-4:
            raise Unfit(f"{name} has hardly a gradient: {norm}")
        norms[name] = digits(norm)
    return digits(loss), norms


def curve(model, loss_of):
    """The loss before each of eight steps of AdamW on one batch. Last of all, since it changes the weights."""
    adam = torch.optim.AdamW(model.parameters(), **ADAM, foreach=False, fused=False)
    losses = []
    for _ in range(STEPS):
        forget_rope(model)
        adam.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        losses.append(digits(loss))
        adam.step()
    if not losses[-1] < losses[0]:
        raise Unfit(f"the loss doesn't fall: {losses}")
    return losses


def check_logits(logits):
    spread, top = float(logits.std()), float(torch.softmax(logits, -1).amax(-1).mean())
    if not (spread > 0.5 and top < 0.95):
        raise Unfit(f"logits of spread {spread:.2f}, mean largest probability {top:.2f}")


def check_greedy(tokens, margins):
    if min(margins) < 1e-3:
        raise Unfit(f"a winner leads by {min(margins):.1e} only")
    if min(len(set(t)) for t in tokens) < 8 or len({tuple(t) for t in tokens}) < len(tokens):
        raise Unfit(f"greedy tokens hardly vary: {tokens}")


def make(cls, config, seed, spread):
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = cls(config).float().eval()
    randomize(model, seed, spread)
    return model


def finish(name, model, doc, answer, loss_of, patch=None):
    """Writes the folder, and checks that what is in it answers the same. `answer(model)` are logits (or the like)."""
    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if patch:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | patch, indent=2, sort_keys=True) + "\n")
    file = load_file(folder / "model.safetensors")
    names = {}  # parameter: its name in the file, which differs for ViT
    for parameter, p in model.named_parameters():
        (names[parameter],) = [key for key, v in file.items() if v.shape == p.shape and torch.equal(v, p)]
    assert set(names.values()) == set(file), (name, set(file) - set(names.values()))
    doc["gradNorms"] = {names[k]: v for k, v in doc["gradNorms"].items()}
    again = type(model).from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        forget_rope(model), forget_rope(again)
        assert torch.equal(answer(model), answer(again)), f"{name}: another answer after reading the files"
    write(f"models/{name}/expected.json", doc | {"curve": curve(model, loss_of)})


def first_fit(name, build):
    """The first seed whose model isn't unfit."""
    for seed in range(1000):
        try:
            return build(seed)
        except Unfit as why:
            if "-v" in sys.argv:
                print(name, seed, why)
    raise SystemExit(f"{name}: no seed is fit")


# -- decoders

SMALL = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": None, "pad_token_id": 0}  # fmt: skip
GPT2 = {"vocab_size": 64, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
        "bos_token_id": 1, "eos_token_id": None, "pad_token_id": 0}  # fmt: skip


def rope(kind, theta, **fields):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **fields}}


def longrope(pairs, original, **fields):
    short, long = [1.0, 1.25, 1.5, 2.0][:pairs], [1.5, 3.0, 6.0, 12.0][:pairs]
    return {"original_max_position_embeddings": original,
            **rope("longrope", 100.0, short_factor=short, long_factor=long, original_max_position_embeddings=original, **fields)}  # fmt: skip


LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}  # at base 100 all three of its zones occur
DECODERS = {
    "gpt2": (hf.GPT2Config, hf.GPT2LMHeadModel, GPT2),
    "llama": (hf.LlamaConfig, hf.LlamaForCausalLM, SMALL | rope("default", 10000.0)),
    "llama3": (hf.LlamaConfig, hf.LlamaForCausalLM, SMALL | rope("llama3", 100.0, **LLAMA3) | {"tie_word_embeddings": True, "rms_norm_eps": 1e-5}),
    "llama-bias": (hf.LlamaConfig, hf.LlamaForCausalLM, SMALL | rope("default", 500.0) | {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    "llama-linear": (hf.LlamaConfig, hf.LlamaForCausalLM, SMALL | rope("linear", 100.0, factor=4.0)),
    "llama-dynamic": (hf.LlamaConfig, hf.LlamaForCausalLM, SMALL | rope("dynamic", 100.0, factor=2.0) | {"max_position_embeddings": 8}),
    "mistral": (hf.MistralConfig, hf.MistralForCausalLM, SMALL | rope("default", 10000.0) | {"sliding_window": 4, "head_dim": 16}),
    "smollm3": (hf.SmolLM3Config, hf.SmolLM3ForCausalLM, SMALL | rope("default", 1000.0) | {"num_hidden_layers": 3, "no_rope_layers": [1, 0, 1]}),
    "qwen2": (hf.Qwen2Config, hf.Qwen2ForCausalLM,
              SMALL | rope("default", 1000.0) | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    "qwen3": (hf.Qwen3Config, hf.Qwen3ForCausalLM, SMALL | rope("default", 1000.0) | {"head_dim": 16}),
    "qwen3-yarn": (hf.Qwen3Config, hf.Qwen3ForCausalLM,
                   SMALL | rope("yarn", 100.0, factor=2.0, original_max_position_embeddings=32) | {"head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": (hf.Gemma2Config, hf.Gemma2ForCausalLM,
               SMALL | rope("default", 1000.0) | {"num_hidden_layers": 4, "head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 4, "attn_logit_softcapping": 3.0,
                                                  "final_logit_softcapping": 5.0}),
    "gemma3": (hf.Gemma3TextConfig, hf.Gemma3ForCausalLM,
               SMALL | {"num_hidden_layers": 4, "head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 4, "sliding_window_pattern": 3,
                        "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1000.0},
                                            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}}),
    "phi3-long": (hf.Phi3Config, hf.Phi3ForCausalLM, SMALL | longrope(4, 4)),
    "phi3-short": (hf.Phi3Config, hf.Phi3ForCausalLM, SMALL | longrope(4, 32) | {"sliding_window": 6}),
    "phi4": (hf.Phi3Config, hf.Phi3ForCausalLM, SMALL | longrope(3, 4, partial_rotary_factor=0.75) | {"tie_word_embeddings": True}),
}  # fmt: skip
PROMPTS = (5, 9, 12)
PADS = {1: 4}  # row: pad tokens on its left


def tokens(generator, *shape):
    """Not 0, 1 or 2: those are pad, bos and so on."""
    return torch.randint(3, 64, shape, generator=generator)


def positions(mask):
    """As generate() makes them: pads get 0."""
    return (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)


def greedy_alone(model, prompt):
    """Without a cache: the whole text anew for each token. Also the lead of each winner."""
    ids, leads = prompt[None], []
    with torch.no_grad():
        for _ in range(NEW):
            forget_rope(model)
            two, at = model(input_ids=ids, use_cache=False).logits[0, -1].topk(2)
            leads.append(float(two[0] - two[1]))
            ids = torch.cat([ids, at[None, :1]], 1)
    return ids[0, len(prompt) :].tolist(), leads


def generate(model, prompts):
    """Through Transformers' own generate(), with its cache and a batch that is padded on the left."""
    longest = max(len(p) for p in prompts)
    ids = torch.stack([F.pad(p, (longest - len(p), 0)) for p in prompts])
    mask = torch.stack([F.pad(torch.ones_like(p), (longest - len(p), 0)) for p in prompts])
    forget_rope(model)
    out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW, use_cache=True)
    return out[:, longest:].tolist()


def decoder(name, config_class, model_class, fields):
    def build(seed):
        model = make(model_class, config_class(**fields), seed, 0.25)
        generator = torch.Generator().manual_seed(1000 + seed)
        ids = tokens(generator, 3, 12)
        prompts = [tokens(generator, n) for n in PROMPTS]
        mask = torch.ones_like(ids)
        for row, n in PADS.items():
            ids[row, :n] = 0
            mask[row, :n] = 0
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions(mask)}
        real = (mask[:, :-1] * mask[:, 1:]).bool()  # a target counts where it and the token before it are real

        def logits_of(m):
            return m(**inputs, use_cache=False).logits

        def loss_of():
            return F.cross_entropy(logits_of(model)[:, :-1][real], ids[:, 1:][real])

        forget_rope(model)
        with torch.no_grad():
            logits = logits_of(model)
        check_logits(logits[mask.bool()])
        alone = [greedy_alone(model, p) for p in prompts]
        out = [t for t, _ in alone]
        check_greedy(out, [lead for _, leads in alone for lead in leads])
        greedy = {"prompts": [p.tolist() for p in prompts], "tokens": out}
        if name == "llama-dynamic":  # its cache keeps keys that were turned by the frequencies of a shorter text
            greedy["cached"] = [generate(model, [p])[0] for p in prompts]
        else:
            assert generate(model, prompts) == out, f"{name}: generate() gives other tokens"
        loss, norms = gradients(model, loss_of)
        doc = {"versions": VERSIONS, "seed": seed,
               "inputs": {"inputIds": array(ids), "attentionMask": array(mask), "positionIds": array(inputs["position_ids"])},
               "logits": array(logits), "loss": loss, "gradNorms": norms, "greedy": greedy}  # fmt: skip
        finish(name, model, doc, logits_of, loss_of)

    first_fit(name, build)


# -- encoders

LONG, REAL = 12, (12, 8, 12, 12)  # row 1 has 4 pads on its right
KEY_BIASES = ("key.bias", "k_lin.bias")  # they add the same to all scores of a row, which softmax undoes
BERT = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 0}  # fmt: skip
ROBERTA = BERT | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
DISTILBERT = {"vocab_size": 64, "dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64, "dropout": 0.0, "attention_dropout": 0.0,
              "seq_classif_dropout": 0.0, "pad_token_id": 0}  # fmt: skip
MODERNBERT = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4, "max_position_embeddings": 64,
              "local_attention": 4, "pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
              "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000.0},
                                  "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}}  # fmt: skip
VIT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 16, "patch_size": 4, "num_channels": 3}
CLASSES = {"num_labels": 3}
TINY = SMALL | {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1} | rope("default", 1000.0)
TINY_GEMMA = TINY | {"head_dim": 8, "query_pre_attn_scalar": 12, "sliding_window": 4}
TINY_GPT2 = GPT2 | {"n_embd": 16, "n_head": 2, "n_inner": 24}
ENCODERS = {
    "bert": ("masked", hf.BertConfig, hf.BertForMaskedLM, BERT),
    "bert-classify": ("classify", hf.BertConfig, hf.BertForSequenceClassification, BERT | CLASSES),
    "bert-base": ("base", hf.BertConfig, hf.BertModel, BERT),
    "minilm": ("sentences", hf.BertConfig, hf.BertModel, BERT),
    "roberta": ("masked", hf.RobertaConfig, hf.RobertaForMaskedLM, ROBERTA),
    "roberta-classify": ("classify", hf.RobertaConfig, hf.RobertaForSequenceClassification, ROBERTA | CLASSES),
    "distilbert": ("masked", hf.DistilBertConfig, hf.DistilBertForMaskedLM, DISTILBERT),
    "distilbert-classify": ("classify", hf.DistilBertConfig, hf.DistilBertForSequenceClassification, DISTILBERT | CLASSES),
    "modernbert": ("masked", hf.ModernBertConfig, hf.ModernBertForMaskedLM, MODERNBERT),
    "bert-tokens": ("tokens", hf.BertConfig, hf.BertForTokenClassification, BERT | CLASSES),
    "bert-answer": ("answer", hf.BertConfig, hf.BertForQuestionAnswering, BERT),
    "roberta-answer": ("answer", hf.RobertaConfig, hf.RobertaForQuestionAnswering, ROBERTA),
    "distilbert-tokens": ("tokens", hf.DistilBertConfig, hf.DistilBertForTokenClassification, DISTILBERT | CLASSES),
    "modernbert-classify": ("classify", hf.ModernBertConfig, hf.ModernBertForSequenceClassification, MODERNBERT | CLASSES | {"num_hidden_layers": 2, "classifier_pooling": "mean"}),
    "modernbert-answer": ("answer", hf.ModernBertConfig, hf.ModernBertForQuestionAnswering, MODERNBERT | {"num_hidden_layers": 2}),
    "llama-classify": ("classify", hf.LlamaConfig, hf.LlamaForSequenceClassification, SMALL | CLASSES),
    "gpt2-classify": ("classify", hf.GPT2Config, hf.GPT2ForSequenceClassification, GPT2 | CLASSES),
    "gpt2-base": ("states", hf.GPT2Config, hf.GPT2Model, GPT2),
    "qwen3-base": ("states", hf.Qwen3Config, hf.Qwen3Model, SMALL | {"head_dim": 16}),
    "llama-tokens": ("tokens", hf.LlamaConfig, hf.LlamaForTokenClassification, TINY | CLASSES),
    "llama-answer": ("answer", hf.LlamaConfig, hf.LlamaForQuestionAnswering, TINY),
    "mistral-classify": ("classify", hf.MistralConfig, hf.MistralForSequenceClassification, TINY | CLASSES | {"sliding_window": 4}),
    "mistral-answer": ("answer", hf.MistralConfig, hf.MistralForQuestionAnswering, TINY | {"sliding_window": 4}),
    "smollm3-answer": ("answer", hf.SmolLM3Config, hf.SmolLM3ForQuestionAnswering, TINY | {"no_rope_layers": [1, 0]}),
    "qwen2-tokens": ("tokens", hf.Qwen2Config, hf.Qwen2ForTokenClassification, TINY | CLASSES),
    "qwen2-answer": ("answer", hf.Qwen2Config, hf.Qwen2ForQuestionAnswering, TINY),
    "qwen3-classify": ("classify", hf.Qwen3Config, hf.Qwen3ForSequenceClassification, TINY | CLASSES | {"head_dim": 8}),
    "qwen3-answer": ("answer", hf.Qwen3Config, hf.Qwen3ForQuestionAnswering, TINY | {"head_dim": 8}),
    "gemma-tokens": ("tokens", hf.GemmaConfig, hf.GemmaForTokenClassification, TINY | CLASSES | {"head_dim": 8}),
    "gemma2-tokens": ("tokens", hf.Gemma2Config, hf.Gemma2ForTokenClassification, TINY_GEMMA | CLASSES),
    "gemma3-classify": ("classify", hf.Gemma3TextConfig, hf.Gemma3TextForSequenceClassification,
                        {k: v for k, v in TINY_GEMMA.items() if k != "rope_parameters"} | CLASSES),
    "phi3-tokens": ("tokens", hf.Phi3Config, hf.Phi3ForTokenClassification, TINY | CLASSES),
    "gpt2-tokens": ("tokens", hf.GPT2Config, hf.GPT2ForTokenClassification, TINY_GPT2 | CLASSES),
    "gpt2-answer": ("answer", hf.GPT2Config, hf.GPT2ForQuestionAnswering, TINY_GPT2),
    "vit": ("images", hf.ViTConfig, hf.ViTForImageClassification, VIT | CLASSES),
}
MASK = 3  # the token that hides the labelled ones
SCALE = 5.0  # of the sentences' cosines


def embed(hidden, mask):
    """A sentence is the mean of its real tokens' last states, of length 1."""
    weights = mask[..., None].float()
    return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=-1)


def encoder(name, task, config_class, model_class, fields):
    def build(seed):
        model = make(model_class, config_class(**fields), seed, 0.4 if task == "answer" else 0.25)
        generator = torch.Generator().manual_seed(1000 + seed)
        rows = 4 if task == "sentences" else 3
        without = KEY_BIASES
        if task == "images":
            without += ("k_proj.bias",)
            given = {"pixel_values": torch.randn(rows, 3, 16, 16, generator=generator)}
        else:
            ids = torch.randint(4, 64, (rows, LONG), generator=generator)
            mask = (torch.arange(LONG) < torch.tensor(REAL[:rows])[:, None]).long()
            types = torch.randint(0, 2, (rows, LONG), generator=generator)
            labels = torch.full_like(ids, -100)
            if task == "masked":
                for at in (1, 4, 6):
                    labels[:, at] = ids[:, at]
                    ids[:, at] = MASK
            ids = ids.masked_fill(mask == 0, fields["pad_token_id"])
            given = {"input_ids": ids, "attention_mask": mask}
            if config_class is hf.BertConfig:
                given["token_type_ids"] = types * mask
        if task in ("classify", "images"):
            labels = torch.randint(0, 3, (rows,), generator=generator)
        elif task == "tokens":
            labels = torch.randint(0, 3, (rows, LONG), generator=generator).masked_fill(mask == 0, -100)
        elif task == "answer":  # where it begins and ends, as two columns of positions
            labels = torch.randint(0, 8, (rows, 2), generator=generator)
            without += ("qa_outputs.bias", "classifier.bias", "layer.1.output.LayerNorm.bias", "ln_f.bias")  # the same for all positions
        elif task == "states":
            labels = torch.randint(0, model.config.hidden_size, (rows, LONG), generator=generator).masked_fill(mask == 0, -100)
        elif task == "base":  # the states as if they were logits, so that all of them are in a loss
            labels = torch.randint(0, 32, (rows, LONG), generator=generator).masked_fill(mask == 0, -100)
            pooled = torch.randint(0, 32, (rows,), generator=generator)

        def entropy(logits, targets=None):
            targets = labels if targets is None else targets
            return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-100)

        def answer(m):
            out = m(**given)
            if task == "answer":
                return torch.stack([out.start_logits, out.end_logits], 1).masked_fill(mask[:, None] == 0, -100.0)  # [rows, 2, LONG]; pads mean nothing
            return embed(out.last_hidden_state, mask) if task == "sentences" else out.last_hidden_state if task in ("base", "states") else out.logits

        def loss_of():
            if task == "base":
                out = model(**given)
                return entropy(out.last_hidden_state) + entropy(out.pooler_output, pooled)
            out = answer(model)
            return F.cross_entropy(SCALE * out[:2] @ out[2:].T, torch.arange(2)) if task == "sentences" else entropy(out)

        out = answer(model)
        camel = {"input_ids": "inputIds", "attention_mask": "attentionMask", "token_type_ids": "tokenTypeIds", "pixel_values": "pixelValues"}
        doc = {"versions": VERSIONS, "seed": seed, "inputs": {camel[k]: array(v) for k, v in given.items()}}
        if task == "sentences":
            without += ("pooler",)
            doc |= {"embeddings": array(out), "scale": SCALE}
        elif task == "base":
            doc["inputs"] |= {"labels": array(labels), "pooledLabels": array(pooled)}
            doc |= {"lastHiddenState": array(out), "poolerOutput": array(model(**given).pooler_output)}
        elif task == "states":
            doc["inputs"]["labels"] = array(labels)
            doc["lastHiddenState"] = array(out)
        else:
            doc["inputs"]["labels"] = array(labels)
            doc["logits"] = array(out)
            check_logits(out.detach()[mask.bool()] if task in ("masked", "tokens") else out.detach()[:1] if task == "answer" else out.detach())
        loss, norms = gradients(model, loss_of, without)
        finish(name, model, doc | {"loss": loss, "gradNorms": norms}, answer, loss_of)

    first_fit(name, build)


# -- encoder and decoder

T5 = {"vocab_size": 64, "d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4, "relative_attention_num_buckets": 8,
      "relative_attention_max_distance": 16, "dropout_rate": 0.0, "pad_token_id": 0, "eos_token_id": None, "decoder_start_token_id": 0}  # fmt: skip
TINY_T5 = T5 | {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
T5_ENCODERS = {
    "t5-encoder": ("states", hf.T5Config, hf.T5EncoderModel, TINY_T5),
    "umt5-encoder": ("states", hf.UMT5Config, hf.UMT5EncoderModel, TINY_T5),
    "mt5-encoder": ("states", hf.MT5Config, hf.MT5EncoderModel, TINY_T5),
    "t5-tokens": ("tokens", hf.T5Config, hf.T5ForTokenClassification, TINY_T5 | CLASSES),
}
T5S = {
    "t5": (hf.T5Config, hf.T5ForConditionalGeneration, T5),
    "flan-t5": (hf.T5Config, hf.T5ForConditionalGeneration, T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "umt5": (hf.UMT5Config, hf.UMT5ForConditionalGeneration, T5 | {"num_layers": 2}),
}


def seq2seq(name, config_class, model_class, fields):
    untied = fields.get("tie_word_embeddings") is False

    def build(seed):
        config = config_class(**fields)
        config._attn_implementation = "eager"
        torch.manual_seed(seed)
        model = model_class(config).float().eval()
        if untied:  # Transformers 5 ties all new T5s, and unties those whose file holds two tensors
            model.lm_head.weight = torch.nn.Parameter(torch.zeros(64, 32))
        randomize(model, seed, 0.25)
        generator = torch.Generator().manual_seed(1000 + seed)
        ids, labels = tokens(generator, 3, 12), tokens(generator, 3, 10)
        prompts = [tokens(generator, n) for n in PROMPTS]
        mask = (torch.arange(12) < torch.tensor(REAL[:3])[:, None]).long()
        ids = ids.masked_fill(mask == 0, 0)
        labels[2, 7:] = -100
        start = F.pad(labels[:, :-1], (1, 0)).masked_fill(F.pad(labels[:, :-1], (1, 0)) == -100, 0)  # 0 starts, and stands for what isn't a target
        given = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": start}

        def logits_of(m):
            return m(**given, use_cache=False).logits

        def loss_of():
            return F.cross_entropy(logits_of(model).reshape(-1, 64), labels.reshape(-1), ignore_index=-100)

        with torch.no_grad():
            logits = logits_of(model)
        check_logits(logits[labels != -100])
        out, leads = [], []
        for prompt in prompts:
            said = torch.zeros(1, 1, dtype=torch.long)
            with torch.no_grad():
                for _ in range(NEW):
                    two, at = model(input_ids=prompt[None], decoder_input_ids=said, use_cache=False).logits[0, -1].topk(2)
                    leads.append(float(two[0] - two[1]))
                    said = torch.cat([said, at[None, :1]], 1)
            out.append(said[0, 1:].tolist())
        check_greedy(out, leads)
        padded = torch.stack([F.pad(p, (0, 12 - len(p))) for p in prompts])
        masks = torch.stack([F.pad(torch.ones_like(p), (0, 12 - len(p))) for p in prompts])
        said = model.generate(input_ids=padded, attention_mask=masks, do_sample=False, max_new_tokens=NEW, use_cache=True)
        assert said[:, 1:].tolist() == out, f"{name}: generate() gives other tokens"
        loss, norms = gradients(model, loss_of)
        doc = {"versions": VERSIONS, "seed": seed,
               "inputs": {"inputIds": array(ids), "attentionMask": array(mask), "decoderInputIds": array(start), "labels": array(labels)},
               "logits": array(logits), "loss": loss, "gradNorms": norms, "greedy": {"prompts": [p.tolist() for p in prompts], "tokens": out}}  # fmt: skip
        # as the files of T5 1.1 say it; Transformers 5 itself would write true, and rely on scale_decoder_outputs
        finish(name, model, doc, logits_of, loss_of, {"tie_word_embeddings": False} if untied else None)

    first_fit(name, build)


if __name__ == "__main__":
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    for kind, specs in ((decoder, DECODERS), (encoder, ENCODERS | T5_ENCODERS), (seq2seq, T5S)):
        for name, spec in specs.items():
            if not wanted or name in wanted:
                kind(name, *spec)
    size = sum(f.stat().st_size for f in (HERE / "models").rglob("*") if f.is_file())
    print(f"{size / 2**20:.2f} MiB")
    assert size < 6e6
