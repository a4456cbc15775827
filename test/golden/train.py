"""train.json: fifty training steps of a small GPT in PyTorch. Weights and tokens come from an integer hash, so that any language makes the same bits.

The model is nanoGPT's: pre-LN decoder, learned positions, causal attention, gelu by tanh, tied head, no biases. Everything that
is needed to do the same elsewhere is in `config` and `recipe`; `check` helps to find where a copy goes wrong.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from golden import number, write

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

CONFIG = {"layers": 2, "heads": 2, "width": 32, "context": 32, "vocab": 29, "batch": 4, "lnEps": 1e-5, "steps": 50,
          "optimizer": {"clipByGlobalNorm": 1.0, "b1": 0.9, "b2": 0.99, "eps": 1e-8, "weightDecay": 0.1, "decayed": "leaves of two dimensions",
                        "peak": 1e-3, "end": 1e-4, "warmup": 10}}  # fmt: skip
RECIPE = {
    "hash": "hash(i, t), all in uint32: h = imul(i+1, 0x9E3779B1) ^ imul(t+1, 0x85EBCA77); h ^= h>>>16; h = imul(h, 0x7feb352d); h ^= h>>>15; h = imul(h, 0x846ca68b); h ^= h>>>16",
    "weights": "leaf t in sorted-key flatten order, flat index i: fround((fround((hash(i, t)>>>8) / 2**24) - 0.5) * 0.1); scales are ones",
    "tokens": "step s, sequence b, position j of 33: j % 3 == 0 ? (hash((s*4+b)*33+j, 1000)>>>16) % 29 : (previous*7+3) % 29; inputs are tokens 0..31, targets 1..32",
    "model": "h = wte[tokens] + wpe; h += attn(ln1(h)) @ proj; h += gelu_tanh(ln2(h) @ up) @ down; logits = lnF(h) @ wte^T; x @ qkv is [q | k | v], each of heads x width/heads; scores / sqrt(width/heads)",
    "loss": "mean cross-entropy over all positions",
    "lr": "step s from 0: s < 10 ? 1e-3*(s+1)/11 : 1e-4 + 0.5*(1+cos(pi*(s-10)/40))*9e-4",
    "update": "clip by global norm (torch: g * min(1, 1/(norm+1e-6))), then AdamW: p *= 1 - lr*wd for decayed leaves; p -= lr * mHat / (sqrt(vHat) + eps)",
}
L, H, D, T, V, B = (CONFIG[k] for k in ("layers", "heads", "width", "context", "vocab", "batch"))


def uhash(i, t):
    m = np.uint64(0xFFFFFFFF)
    i = np.asarray(i, np.uint64)
    h = ((i + np.uint64(1)) * np.uint64(0x9E3779B1) & m) ^ np.uint64((t + 1) * 0x85EBCA77 & 0xFFFFFFFF)
    h ^= h >> np.uint64(16)
    h = h * np.uint64(0x7FEB352D) & m
    h ^= h >> np.uint64(15)
    h = h * np.uint64(0x846CA68B) & m
    return h ^ h >> np.uint64(16)


def leaves():
    """(path, shape) of every parameter, keys sorted."""
    out = []
    for n in range(L):
        p = f"blocks.{n}."
        out += [(p + "attn.proj.w", (D, D)), (p + "attn.qkv.w", (D, 3 * D)), (p + "ln1.scale", (D,)), (p + "ln2.scale", (D,)), (p + "mlp.down.w", (4 * D, D)), (p + "mlp.up.w", (D, 4 * D))]
    return [*out, ("lnF.scale", (D,)), ("wpe.w", (T, D)), ("wte.w", (V, D))]


def init():
    params = {}
    for t, (path, shape) in enumerate(leaves()):
        u = ((uhash(np.arange(math.prod(shape)), t) >> np.uint64(8)) / 2**24).astype(np.float32) - np.float32(0.5)
        w = (u.astype(np.float64) * 0.1).astype(np.float32)
        params[path] = np.ones(shape, np.float32) if path.endswith("scale") else w.reshape(shape)
    return params


def batch(s):
    tokens = np.zeros((B, T + 1), np.int64)
    for b in range(B):
        for j in range(T + 1):
            tokens[b, j] = (int(uhash((s * B + b) * (T + 1) + j, 1000)) >> 16) % V if j % 3 == 0 else (tokens[b, j - 1] * 7 + 3) % V
    return tokens


def loss_of(p, tokens):
    x, y = tokens[:, :-1], tokens[:, 1:]

    def norm(h, name):
        return F.layer_norm(h, (D,), p[name], None, CONFIG["lnEps"])

    future = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
    h = p["wte.w"][x] + p["wpe.w"]  # [B,T,D]
    for n in range(L):
        b = f"blocks.{n}."
        q, k, v = (norm(h, b + "ln1.scale") @ p[b + "attn.qkv.w"]).reshape(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)  # [B,H,T,D/H]
        scores = (q @ k.transpose(-1, -2) / math.sqrt(D // H)).masked_fill(future, -math.inf)
        h = h + (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(B, T, D) @ p[b + "attn.proj.w"]
        h = h + F.gelu(norm(h, b + "ln2.scale") @ p[b + "mlp.up.w"], approximate="tanh") @ p[b + "mlp.down.w"]
    logits = norm(h, "lnF.scale") @ p["wte.w"].T
    return F.cross_entropy(logits.reshape(-1, V), y.reshape(-1))


def lr(s):
    c = CONFIG["optimizer"]
    if s < c["warmup"]:
        return c["peak"] * (s + 1) / (c["warmup"] + 1)
    return c["end"] + 0.5 * (1 + math.cos(math.pi * (s - c["warmup"]) / (CONFIG["steps"] - c["warmup"]))) * (c["peak"] - c["end"])


def run(dtype):
    c = CONFIG["optimizer"]
    p = {k: torch.tensor(v, dtype=dtype, requires_grad=True) for k, v in init().items()}
    groups = [{"params": [v for v in p.values() if v.ndim >= 2], "weight_decay": c["weightDecay"]}, {"params": [v for v in p.values() if v.ndim < 2], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, betas=(c["b1"], c["b2"]), eps=c["eps"], foreach=False, fused=False)
    losses, norms, first = [], [], {}
    for s in range(CONFIG["steps"]):
        loss = loss_of(p, torch.tensor(batch(s)))
        adam.zero_grad()
        loss.backward()
        if s == 0:
            first = {k: float(v.grad.double().norm()) for k, v in p.items()}
        norms.append(float(torch.nn.utils.clip_grad_norm_(p.values(), c["clipByGlobalNorm"])))
        losses.append(float(loss.detach()))
        for g in adam.param_groups:
            g["lr"] = lr(s)
        adam.step()
    with torch.no_grad():
        after = float(loss_of(p, torch.tensor(batch(CONFIG["steps"]))))
    return {"losses": losses, "norms": norms, "first": first, "after": after, "last": {k: float(v.detach().double().norm()) for k, v in p.items()}}


single, double = run(torch.float32), run(torch.float64)


def relative(key):
    a, b = np.array(single[key]), np.array(double[key])
    return float(np.max(np.abs(a - b) / np.abs(b)))


noise = {"losses": relative("losses"), "gradNorms": relative("norms")}
weights = init()
check = {
    "leaves": [{"path": k, "shape": list(v.shape), "first": [number(x, "float32") for x in v.ravel()[:4]], "sum": float(v.astype(np.float64).sum()),
                "firstGradNorm": double["first"][k], "finalNorm": double["last"][k]} for k, v in weights.items()],
    "hashes": [{"i": i, "t": t, "h": int(uhash(i, t))} for i, t in [(0, 0), (1, 0), (0, 1), (12345, 7), (6599, 1000)]],
    "batch0": batch(0).tolist(),
    "batch49": batch(49).tolist(),
    "lr": [lr(s) for s in range(CONFIG["steps"])],
}  # fmt: skip
write("train.json", {
    "versions": {"torch": torch.__version__, "numpy": np.__version__}, "config": CONFIG, "recipe": RECIPE,
    "losses": single["losses"], "losses64": double["losses"], "gradNorms": single["norms"], "gradNorms64": double["norms"],
    "finalLoss": single["losses"][-1], "finalLoss64": double["losses"][-1], "nextLoss": single["after"], "nextLoss64": double["after"], "noise": noise, "check": check,
})  # fmt: skip
print("float32 against float64:", noise, "next loss", single["after"], double["after"])
print("losses", single["losses"][0], single["losses"][-1], "norms", min(single["norms"]), max(single["norms"]))
