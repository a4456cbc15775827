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

# -- blocks: {kind, call, options, state, inputs, outs, grads}: state is the module's state dict, grads are by the names of inputs and of state

blocks = []


def block(kind, module, call, inputs, outs, note=None, **options):
    """outs: of what the module gives, a dict of tensors."""
    for name, p in module.named_parameters():  # biases that are 0, and scales that are 1, hide mistakes
        if p.dim() == 1:
            with torch.no_grad():
                p += torch.tensor(normal(*p.shape, scale=0.2))
    xs = {k: torch.tensor(v, requires_grad=v.dtype == np.float32 and "mask" not in k.lower()) for k, v in inputs.items()}
    got = outs(module, **xs)
    sum((out * weights(out)).sum() for out in got.values()).backward()
    grads = {k: x.grad for k, x in xs.items() if x.requires_grad} | {k: p.grad for k, p in module.named_parameters()}
    blocks.append({"kind": kind, "call": call, "options": options, "note": note or "", "state": {k: short(v) for k, v in module.state_dict().items()},
                   "inputs": {k: array(v) for k, v in inputs.items()}, "outs": {k: short(v) for k, v in got.items()},
                   "grads": {k: short(g) for k, g in grads.items()}})  # fmt: skip


def short(x):
    return array(x.detach().numpy())


# Recurrent layers: B 3, T 5, I 3, H 2 to 4.
RNNS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def recurrent(kind, I, H, layers=1, bidirectional=False, bias=True, lengths=None, state=False, nonlinearity=None):
    extra = {} if nonlinearity is None else {"nonlinearity": nonlinearity}
    module = RNNS[kind](I, H, num_layers=layers, bidirectional=bidirectional, bias=bias, batch_first=True, **extra)
    inputs = {"x": normal(3, 5, I)}
    shape = (layers * (2 if bidirectional else 1), 3, H)
    if state:
        inputs |= {"h": normal(*shape)} | ({"c": normal(*shape)} if kind == "lstm" else {})
    if lengths is not None:
        inputs["lengths"] = np.array(lengths, np.int32)

    def outs(module, x, h=None, c=None, lengths=None):
        if lengths is not None:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        start = None if h is None else (h, c) if kind == "lstm" else h
        output, end = module(x, start)
        if lengths is not None:
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=5)
        return {"output": output} | ({"h": end[0], "c": end[1]} if kind == "lstm" else {"h": end})

    block(kind, module, kind, inputs, outs, **extra)


for kind in RNNS:
    recurrent(kind, 3, 2)
    recurrent(kind, 3, 4, bias=False, state=True)
    recurrent(kind, 3, 2, layers=2, bidirectional=True, state=True)
    recurrent(kind, 3, 2, layers=2, bidirectional=True, state=True, lengths=[5, 2, 3])
recurrent("rnn", 3, 4, layers=2, nonlinearity="relu")

# Attention: B 2, T 3, S 4, E 4, 2 heads. The last key of the first row is padding.
padding = np.array([[False, False, False, True], [False, False, False, False]])
some = np.array([[False, True, False, False], [True, False, False, False], [False, False, True, False]])
shift = normal(3, 4)


def attention(note, kdim=None, vdim=None, bias=True, cross=True, causal=False, **masks):
    module = torch.nn.MultiheadAttention(4, 2, bias=bias, kdim=kdim, vdim=vdim, batch_first=True)
    inputs = {"query": normal(2, 3, 4)} | ({"key": normal(2, 4, kdim or 4), "value": normal(2, 4, vdim or 4)} if cross else {}) | masks

    def outs(module, query, key=None, value=None, attnMask=None, keyPaddingMask=None):
        key, value = (query, query) if key is None else (key, value)
        mask = torch.nn.Transformer.generate_square_subsequent_mask(3) if causal else attnMask
        out, _ = module(query, key, value, attn_mask=mask, key_padding_mask=keyPaddingMask, is_causal=causal)
        return {"output": out}

    block("multiHeadAttention", module, "multiHeadAttention", inputs, outs, note=note, heads=2, **({"causal": True} if causal else {}))


attention("self", cross=False)
attention("self, causal, no biases", cross=False, causal=True, bias=False)
attention("cross, keys padded", keyPaddingMask=padding)
attention("cross of other widths, a bool mask", kdim=3, vdim=5, attnMask=some)
attention("cross, an additive mask and keys padded by one", attnMask=shift, keyPaddingMask=np.where(padding, -np.inf, 0).astype(np.float32))
attention("cross, an additive mask per head with -inf", attnMask=np.where((rng.random((4, 3, 4)) < 0.4) & (np.arange(4) > 0), -np.inf, normal(4, 3, 4)).astype(np.float32))

# Layers and stacks: E 4, F 6, 2 heads.
tgtPadding = np.array([[False, False, True], [False, False, False]])


def layers(kind, module, inputs, outs, note, **options):
    block(kind, module, kind, inputs, outs, note=note, heads=2, **options)


def of(norm, activation):
    return dict(dropout=0.0, batch_first=True, norm_first=norm == "pre", activation=activation)


upper = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
torch.backends.mha.set_fastpath_enabled(False)
for norm in ("post", "pre"):
    for activation in ("relu", "gelu"):
        layers("encoderLayer", torch.nn.TransformerEncoderLayer(4, 2, 6, **of(norm, activation)), {"x": normal(2, 4, 4), "keyPaddingMask": padding},
               lambda m, x, keyPaddingMask: {"output": m(x, src_key_padding_mask=keyPaddingMask)}, f"{norm} {activation}", norm=norm, activation=activation)  # fmt: skip
        layers("decoderLayer", torch.nn.TransformerDecoderLayer(4, 2, 6, **of(norm, activation)),
               {"x": normal(2, 3, 4), "memory": normal(2, 4, 4), "keyPaddingMask": tgtPadding, "memoryKeyPaddingMask": padding},
               lambda m, x, memory, keyPaddingMask, memoryKeyPaddingMask: {"output": m(x, memory, tgt_mask=upper, tgt_key_padding_mask=keyPaddingMask, memory_key_padding_mask=memoryKeyPaddingMask)},
               f"{norm} {activation}", norm=norm, activation=activation, causal=True)  # fmt: skip
layers("encoderLayer", torch.nn.TransformerEncoderLayer(4, 2, 6, bias=False, layer_norm_eps=1e-3, **of("post", "relu")), {"x": normal(2, 3, 4), "attnMask": shift[:, :3].copy()},
       lambda m, x, attnMask: {"output": m(x, src_mask=attnMask)}, "no biases, an additive mask", eps=1e-3)  # fmt: skip
layers("transformerEncoder", torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, 6, **of("pre", "gelu")), 2, norm=None, enable_nested_tensor=False), {"x": normal(2, 4, 4)},
       lambda m, x: {"output": m(x)}, "two layers, no norm", norm="pre", activation="gelu")  # fmt: skip
for norm in ("post", "pre"):
    layers("transformer", torch.nn.Transformer(4, 2, 2, 2, 6, **of(norm, "relu")),
           {"source": normal(2, 4, 4), "target": normal(2, 3, 4), "sourceKeyPaddingMask": padding, "targetKeyPaddingMask": tgtPadding, "memoryKeyPaddingMask": padding},
           lambda m, source, target, sourceKeyPaddingMask, targetKeyPaddingMask, memoryKeyPaddingMask: {"output": m(source, target, tgt_mask=upper, src_key_padding_mask=sourceKeyPaddingMask, tgt_key_padding_mask=targetKeyPaddingMask, memory_key_padding_mask=memoryKeyPaddingMask)},
           norm, norm=norm, causal=True)  # fmt: skip

write("torch_blocks.json", {"versions": {"torch": torch.__version__, "numpy": np.__version__}, "losses": losses, "blocks": blocks})
