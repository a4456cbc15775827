"""nn.json: layers, losses and attention from PyTorch with their gradients, and optimizers from Optax. All float32.

layers: {fn, inputs, params, out, ct, grads}: grads are those of sum(out * ct) in each float input. Attention is [B,T,H,D/H], as in jax.nn.
optimizers: {fn, config, init, grads, params}: five gradients of a tree and the parameters after each step.
schedules: {fn, config, steps, values}. norms: {fn, tree, ...}.
"""
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from golden import array, write

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
rng = np.random.default_rng(2)
layers = []


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def layer(name, fn, inputs, ct=None, **params):
    xs = {k: torch.tensor(v, requires_grad=v.dtype == np.float32) for k, v in inputs.items()}
    out = fn(**xs)
    ct = torch.ones(()) if out.ndim == 0 else torch.tensor(normal(*out.shape) if ct is None else ct)
    out.backward(ct)
    layers.append({"fn": name, "inputs": {k: array(v) for k, v in inputs.items()}, "params": params, "out": array(out.detach().numpy()), "ct": array(ct.numpy()),
                   "grads": {k: array(x.grad.numpy()) for k, x in xs.items() if x.requires_grad}})  # fmt: skip
    return layers[-1]


# -- layers

D = 8
affine = {"x": normal(3, D, scale=2), "scale": normal(D), "bias": normal(D)}
layer("layerNorm", lambda x, scale, bias: F.layer_norm(x, (D,), scale, bias, 1e-5), affine, eps=1e-5)
layer("layerNorm", lambda x, scale: F.layer_norm(x, (D,), scale, None, 1e-5), {"x": normal(2, 3, D) + 5, "scale": normal(D)}, eps=1e-5)
layer("layerNorm", lambda x: F.layer_norm(x, (D,), None, None, 1e-3), {"x": normal(4, D)}, eps=1e-3)
layer("layerNorm", lambda x: F.layer_norm(x, (4,), None, None, 1e-5), {"x": np.array([[1, 1, 1, 1], [0, 0, 0, 4]], np.float32)}, eps=1e-5)
layer("rmsNorm", lambda x, scale: F.rms_norm(x, (D,), scale, 1e-6), {"x": normal(3, D, scale=2), "scale": normal(D)}, eps=1e-6)
xs = {"x": np.array([-8, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 8, 1e-4, -1e-4], np.float32)}
layer("gelu", lambda x: F.gelu(x, approximate="tanh"), xs, approximate=True)
layer("gelu", lambda x: F.gelu(x), xs, approximate=False)
layer("silu", lambda x: F.silu(x), xs)
layer("relu", lambda x: F.relu(x), xs)
for name, fn in {"softmax": F.softmax, "logSoftmax": F.log_softmax}.items():
    layer(name, lambda x: fn(x, -1), {"x": normal(3, 5, scale=3)}, axis=-1)
    layer(name, lambda x: fn(x, 0), {"x": normal(3, 5)}, axis=0)
    layer(name, lambda x: fn(x, -1), {"x": np.array([[1000, 999, -1000], [-np.inf, 0, 1]], np.float32)}, axis=-1)
labels = np.array([0, 3, 6, 3, 1], np.int32)
layer("crossEntropy", lambda logits, labels: F.cross_entropy(logits, labels.long()), {"logits": normal(5, 7, scale=2), "labels": labels})
layer("crossEntropy", lambda logits, labels: F.cross_entropy(logits.reshape(-1, 7), labels.reshape(-1).long()),
      {"logits": normal(2, 3, 7), "labels": np.array([[1, 2, 3], [6, 0, 1]], np.int32)})  # fmt: skip
layer("crossEntropy", lambda logits, labels: F.cross_entropy(logits, labels.long(), label_smoothing=0.1), {"logits": normal(5, 7), "labels": labels}, labelSmoothing=0.1)
layer("crossEntropy", lambda logits, labels: F.cross_entropy(logits, labels.long()), {"logits": np.array([[200, -200, 0], [-200, 200, 0]], np.float32), "labels": np.array([0, 0], np.int32)})
layer("mse", lambda x, y: F.mse_loss(x, y), {"x": normal(3, 4), "y": normal(3, 4)})
layer("linear", lambda x, w, b: x @ w + b, {"x": normal(2, 3, 4), "w": normal(4, 5), "b": normal(5)})
layer("embedding", lambda w, ids: F.embedding(ids.long(), w), {"w": normal(5, 3), "ids": np.array([[0, 4, 0], [2, 2, 2]], np.int32)})


# -- attention


def attention(name, shapes, causal=False, scale=None, mask=None, bias=None):
    (B, T, S, H, K, E) = shapes
    inputs = {"query": normal(B, T, H, E), "key": normal(B, S, K, E), "value": normal(B, S, K, E)}
    if mask is not None:
        inputs["mask"] = mask
    if bias is not None:
        inputs["bias"] = bias

    def fn(query, key, value, mask=None, bias=None):
        q, k, v = (x.transpose(1, 2) for x in (query, key, value))  # [B,H,T,E]
        with sdpa_kernel(SDPBackend.MATH):
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask if bias is None else bias, is_causal=causal, scale=scale, enable_gqa=H != K)
        return out.transpose(1, 2)

    params = {"isCausal": causal} | ({} if scale is None else {"scale": scale})
    got = layer("dotProductAttention", fn, inputs, note=name, **params)
    # JAX must say the same: the convention is its own.
    jax_out = jax.nn.dot_product_attention(*[jnp.asarray(inputs[n]) for n in ("query", "key", "value")], bias, mask, is_causal=causal, scale=scale)
    assert np.allclose(np.array(got["out"]["data"]), np.ravel(jax_out), atol=1e-5), name


some = rng.random((2, 1, 5, 5)) < 0.6
some[..., np.arange(5), np.arange(5)] = True  # no row is masked whole
attention("plain", (2, 4, 4, 2, 2, 4))
attention("causal", (2, 6, 6, 2, 2, 4), causal=True)
attention("causal with scale", (1, 4, 4, 1, 1, 8), causal=True, scale=0.25)
attention("query shorter than key", (1, 3, 7, 2, 2, 4))
attention("mask, broadcast over heads", (2, 5, 5, 2, 2, 4), mask=some)
attention("mask per head", (1, 3, 4, 2, 2, 4), mask=(rng.random((1, 2, 3, 4)) < 0.5) | (np.arange(4) == 0))
attention("bias per head", (2, 5, 5, 2, 2, 4), bias=normal(2, 2, 5, 5))
attention("bias, broadcast over batch", (2, 3, 4, 2, 2, 4), bias=normal(1, 2, 3, 4))
attention("grouped: 4 heads on 2", (1, 4, 4, 4, 2, 4))
attention("grouped, causal: 4 heads on 1", (2, 5, 5, 4, 1, 4), causal=True)
attention("longer than a tile", (1, 40, 40, 1, 1, 4), causal=True)

# -- optimizers

INIT = {"b": normal(3), "w": normal(2, 3)}
GRADS = [{"b": normal(3, scale=s), "w": normal(2, 3, scale=s)} for s in (1.0, 0.1, 10.0, 1e-4, 2.0)]
optimizers = []


def tree(t):
    return {k: array(v) for k, v in t.items()}


def optimizer(name, tx, **config):
    params, state, after = INIT, tx.init(INIT), []
    for g in GRADS:
        updates, state = tx.update(g, state, params)
        params = optax.apply_updates(params, updates)
        after.append(tree(params))
    optimizers.append({"fn": name, "config": config, "init": tree(INIT), "grads": [tree(g) for g in GRADS], "params": after})


schedule = optax.warmup_cosine_decay_schedule(0.0, 0.1, 2, 5, 0.01)
optimizer("sgd", optax.sgd(0.1), learningRate=0.1)
optimizer("sgd", optax.sgd(0.1, momentum=0.9), learningRate=0.1, momentum=0.9)
optimizer("sgd", optax.sgd(0.1, momentum=0.9, nesterov=True), learningRate=0.1, momentum=0.9, nesterov=True)
optimizer("adam", optax.adam(0.01), learningRate=0.01)
optimizer("adam", optax.adam(0.01, b1=0.8, b2=0.95, eps=1e-6), learningRate=0.01, b1=0.8, b2=0.95, eps=1e-6)
optimizer("adam", optax.adam(0.01, nesterov=True), learningRate=0.01, nesterov=True)
optimizer("adam", optax.adam(schedule), learningRate={"warmupCosineDecaySchedule": {"initValue": 0, "peakValue": 0.1, "warmupSteps": 2, "decaySteps": 5, "endValue": 0.01}})
optimizer("adamw", optax.adamw(0.01), learningRate=0.01)
optimizer("adamw", optax.adamw(0.01, weight_decay=0.1, mask={"b": False, "w": True}), learningRate=0.01, weightDecay=0.1, mask={"b": False, "w": True})
optimizer("adamw", optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01, weight_decay=0.1, mask={"b": False, "w": True})),
          chain=["clipByGlobalNorm", 1.0], learningRate=0.01, weightDecay=0.1, mask={"b": False, "w": True})  # fmt: skip
optimizer("lion", optax.lion(0.01), learningRate=0.01)
optimizer("rmsprop", optax.rmsprop(0.01), learningRate=0.01)
optimizer("adagrad", optax.adagrad(0.1), learningRate=0.1)

norms = []
for g in GRADS:
    clipped, _ = optax.clip_by_global_norm(1.0).update(g, optax.EmptyState())
    norms.append({"fn": "clipByGlobalNorm", "maxNorm": 1.0, "tree": tree(g), "globalNorm": array(optax.global_norm(g)), "out": tree(clipped)})

schedules = []


def values(name, fn, steps, **config):
    with jax.enable_x64(True):  # in float32 Optax loses the digits of a small end value beside a large one
        schedules.append({"fn": name, "config": config, "steps": steps, "values": array(np.array([fn(np.float64(s)) for s in steps], np.float64))})


steps = [0, 1, 5, 9, 10, 11, 30, 55, 99, 100, 101, 500]
values("warmupCosineDecaySchedule", optax.warmup_cosine_decay_schedule(0.0, 1e-3, 10, 100, 1e-4), steps, initValue=0, peakValue=1e-3, warmupSteps=10, decaySteps=100, endValue=1e-4)
values("warmupCosineDecaySchedule", optax.warmup_cosine_decay_schedule(1e-5, 0.5, 20, 50), steps, initValue=1e-5, peakValue=0.5, warmupSteps=20, decaySteps=50, endValue=0)
values("cosineDecaySchedule", optax.cosine_decay_schedule(0.1, 100, 0.2), steps, initValue=0.1, decaySteps=100, alpha=0.2)
values("linearSchedule", optax.linear_schedule(1.0, 0.1, 90, 10), steps, initValue=1, endValue=0.1, transitionSteps=90, transitionBegin=10)
values("exponentialDecay", optax.exponential_decay(0.1, 10, 0.5), steps, initValue=0.1, transitionSteps=10, decayRate=0.5)
values("exponentialDecay", optax.exponential_decay(0.1, 10, 0.5, staircase=True), steps, initValue=0.1, transitionSteps=10, decayRate=0.5, staircase=True)

versions = {"jax": jax.__version__, "numpy": np.__version__, "optax": optax.__version__, "torch": torch.__version__}
write("nn.json", {"versions": versions, "layers": layers, "optimizers": optimizers, "norms": norms, "schedules": schedules})
