"""Computes a run's validation loss from its folder alone, in PyTorch, and says how far it is from what the run measured.

    python test/golden/checkpoint_loss.py runs/FOLDER

docs/checkpoints.md says what is in the folder; the validation batches are drawn with jax.random, whose bits are ours.
"""
import json
import math
import pathlib
import sys

import jax
import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

VALIDATION_STREAM, VALIDATION_BATCHES = 2, 200

folder = pathlib.Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text())
with safe_open(folder / "checkpoint.safetensors", "pt") as f:
    meta = f.metadata()
    p = {k.removeprefix("params."): f.get_tensor(k) for k in f.keys() if k.startswith("params.")}
step, heads, vocab = int(meta["step"]), int(meta["heads"]), json.loads(meta["vocab"])
T, D = p["wpe.w"].shape
layers = 1 + max(int(k.split(".")[1]) for k in p if k.startswith("blocks."))

text = (folder / "text.txt").read_bytes().decode()
assert sorted(set(text)) == vocab
ids = {c: i for i, c in enumerate(vocab)}
tokens = np.array([ids[c] for c in text[len(text) - len(text) // 10 :]], np.int64)


def batch(i):
    """[B,T+1]: sequences from random places on."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(jax.random.key(config["seed"]), VALIDATION_STREAM), i), 0)
    starts = np.asarray(jax.random.randint(key, (config["batch"], 1), 0, len(tokens) - T))
    return torch.tensor(tokens[starts + np.arange(T + 1)])


def norm(x, scale):
    return F.layer_norm(x, (D,), scale, None, 1e-5)


def loss_of(x, y):
    B = x.shape[0]
    h = p["wte.w"][x] + p["wpe.w"][:T]  # [B,T,D]
    for n in range(layers):
        w = {k.removeprefix(f"blocks.{n}."): v for k, v in p.items() if k.startswith(f"blocks.{n}.")}
        q, k, v = (norm(h, w["ln1.scale"]) @ w["attn.qkv.w"]).reshape(B, T, 3, heads, D // heads).permute(2, 0, 3, 1, 4)  # [B,H,T,D/H]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
        h = h + mixed @ w["attn.proj.w"]
        h = h + F.gelu(norm(h, w["ln2.scale"]) @ w["mlp.up.w"], approximate="tanh") @ w["mlp.down.w"]
    logits = norm(h, p["lnF.scale"]) @ p["wte.w"].T
    return F.cross_entropy(logits.reshape(-1, len(vocab)), y.reshape(-1))


with torch.no_grad():
    batches = [batch(i) for i in range(VALIDATION_BATCHES)]
    ours = math.fsum(float(loss_of(b[:, :-1], b[:, 1:])) for b in batches) / len(batches)
row = next(r for r in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()) if r["step"] == step and "valLoss" in r)
print(f"step {step}: PyTorch {ours:.7f}, the run {row['valLoss']:.7f}, relative difference {abs(ours / row['valLoss'] - 1):.1e}")
sys.exit(abs(ours / row["valLoss"] - 1) > 1e-5)
