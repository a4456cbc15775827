"""torch_blocks.json: losses, recurrent layers and transformers from PyTorch, with the gradients of every input and parameter. All float32.

losses: {fn, inputs, params, out, grads}: grads are those of sum(out * ct), ct 0.5, 1, 1.5, … in order.
"""
import numpy as np
import torch
import torch.nn.functional as F

from golden import array, write

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.manual_seed(0)
rng = np.random.default_rng(5)


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def uniform(*shape):
    return rng.uniform(0.05, 0.95, shape).astype(np.float32)


def weights(out):
    """0.5, 1, 1.5, …, in rows of 7 values so that they stay small."""
    return (torch.arange(out.numel()) % 7 * 0.5 + 0.5).reshape(out.shape)


# -- losses

losses = []


def loss(name, fn, inputs, **params):
    xs = {k: torch.tensor(v, requires_grad=v.dtype == np.float32) for k, v in inputs.items()}
    out = fn(**xs)
    (out * weights(out)).sum().backward()
    losses.append({"fn": name, "inputs": {k: array(v) for k, v in inputs.items()}, "params": params, "out": array(out.detach().numpy()),
                   "grads": {k: array(x.grad.numpy()) for k, x in xs.items() if x.requires_grad}})  # fmt: skip


def soft(*shape):
    x = np.exp(normal(*shape))
    return (x / x.sum(-1, keepdims=True)).astype(np.float32)


labels = np.array([0, -100, 6, 3, -100, 1], np.int32)
for reduction in ("none", "mean", "sum"):
    for smooth in (0.0, 0.2):
        params = {"reduction": reduction} | ({"labelSmoothing": smooth} if smooth else {})
        loss("crossEntropy", lambda logits, labels: F.cross_entropy(logits, labels.long(), reduction=reduction, label_smoothing=smooth, ignore_index=-100),
             {"logits": normal(6, 7, scale=2), "labels": labels}, ignoreIndex=-100, **params)  # fmt: skip
        loss("crossEntropy", lambda logits, labels: F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smooth),
             {"logits": normal(3, 5, scale=2), "labels": soft(3, 5)}, **params)  # fmt: skip
    x, y = normal(3, 4, scale=2), normal(3, 4)
    loss("meanSquaredError", lambda x, y: F.mse_loss(x, y, reduction=reduction), {"x": x, "y": y}, reduction=reduction)
    loss("huber", lambda x, y: F.huber_loss(x, y, reduction=reduction), {"x": x, "y": y}, reduction=reduction)
    loss("huber", lambda x, y: F.huber_loss(x, y, reduction=reduction, delta=0.7), {"x": x, "y": y}, reduction=reduction, delta=0.7)
    theirs = {"none": "none", "mean": "batchmean", "sum": "sum"}[reduction]
    rows = (lambda out: out.sum(-1)) if reduction == "none" else (lambda out: out)
    loss("klDivergence", lambda logPredictions, targets: rows(F.kl_div(logPredictions, targets, reduction=theirs)),
         {"logPredictions": np.log(soft(3, 5)), "targets": soft(3, 5)}, reduction=reduction)  # fmt: skip
    loss("klDivergence", lambda logPredictions, targets: rows(F.kl_div(logPredictions, targets, reduction=theirs, log_target=True)),
         {"logPredictions": np.log(soft(3, 5)), "targets": np.log(soft(3, 5))}, reduction=reduction, logTargets=True)  # fmt: skip
    loss("binaryCrossEntropy", lambda probabilities, targets: F.binary_cross_entropy(probabilities, targets.detach(), reduction=reduction) + 0 * targets.sum(),
         {"probabilities": uniform(3, 4), "targets": uniform(3, 4)}, reduction=reduction)  # fmt: skip
    losses[-1]["grads"].pop("targets")  # PyTorch has none there
    loss("binaryCrossEntropyWithLogits", lambda logits, targets: F.binary_cross_entropy_with_logits(logits, targets, reduction=reduction),
         {"logits": normal(3, 4, scale=4), "targets": uniform(3, 4)}, reduction=reduction)  # fmt: skip
    loss("binaryCrossEntropyWithLogits", lambda logits, targets, posWeight: F.binary_cross_entropy_with_logits(logits, targets, reduction=reduction, pos_weight=posWeight.detach()) + 0 * posWeight.sum(),
         {"logits": normal(3, 4, scale=4), "targets": uniform(3, 4), "posWeight": np.array([1, 2, 0.5, 3], np.float32)}, reduction=reduction)  # fmt: skip
    losses[-1]["grads"].pop("posWeight")

write("torch_blocks.json", {"versions": {"torch": torch.__version__, "numpy": np.__version__}, "losses": losses})
