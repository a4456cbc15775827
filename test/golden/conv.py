"""Convolutions and reductions over windows by JAX, layers by PyTorch: python test/golden/conv.py > test/golden/conv.json"""
import json

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax


def short(x):
    return json.loads(json.dumps(np.asarray(x).tolist()), parse_float=lambda t: float(f"{float(t):.7g}"))


def fill(shape, seed, mod=23):
    i = np.arange(int(np.prod(shape)))
    return (((i * 37 + 11 * seed) % mod - mod // 2) / 8).astype(np.float32).reshape(shape)


def derivatives(f, args, directions):
    """Of Σ f²: the gradient in each argument, and that of the gradient's product with the directions."""
    square = lambda *xs: jnp.sum(f(*xs) ** 2)
    places = tuple(range(len(args)))
    first = jax.grad(square, places)
    second = jax.grad(lambda *xs: sum(jnp.sum(g * v) for g, v in zip(first(*xs), directions)), places)
    return [short(g) for g in first(*args)], [short(g) for g in second(*args)]


CONVS = [
    ([2, 3, 7], [4, 3, 3], dict(windowStrides=[1], padding="SAME")),
    ([1, 2, 8], [3, 2, 4], dict(windowStrides=[2], padding="SAME_LOWER")),
    ([1, 2, 6, 5], [3, 2, 3, 2], dict(windowStrides=[1, 1], padding="VALID")),
    ([2, 2, 6, 5], [3, 2, 3, 2], dict(windowStrides=[2, 3], padding="SAME")),
    ([1, 2, 6, 5], [3, 2, 3, 2], dict(windowStrides=[1, 2], padding=[[2, 1], [-1, 3]])),
    ([1, 2, 7, 6], [2, 2, 2, 3], dict(windowStrides=[2, 1], padding=[[1, 1], [2, 0]], rhsDilation=[2, 2])),
    ([1, 2, 4, 3], [3, 2, 3, 2], dict(windowStrides=[1, 2], padding=[[2, 1], [1, 1]], lhsDilation=[2, 3], rhsDilation=[1, 2])),
    ([2, 6, 5], [4, 3, 2], dict(windowStrides=[1], padding="VALID", featureGroupCount=2)),
    ([2, 3, 5, 4], [3, 1, 3, 3], dict(windowStrides=[1, 1], padding="SAME", featureGroupCount=3)),
    ([1, 2, 5, 5], [4, 1, 2, 2], dict(windowStrides=[2, 2], padding="SAME", featureGroupCount=2)),
    ([4, 3, 5], [4, 3, 2], dict(windowStrides=[1], padding="VALID", batchGroupCount=2)),
    ([2, 5, 4, 3], [3, 2, 3, 2], dict(windowStrides=[1, 2], padding="SAME", dimensionNumbers=["NHWC", "HWIO", "NHWC"])),
    ([3, 4, 2, 5], [3, 2, 2, 3], dict(windowStrides=[1, 1], padding="SAME", dimensionNumbers=["CWNH", "IHOW", "HNCW"])),
    ([1, 2, 3, 4, 3], [2, 2, 2, 3, 2], dict(windowStrides=[1, 2, 1], padding="SAME")),
    ([3, 4], [2, 4], dict(windowStrides=[], padding="VALID")),
]
TRANSPOSES = [
    ([1, 4, 2], [3, 2, 3], dict(strides=[2], padding="SAME")),
    ([2, 3, 4, 2], [3, 2, 2, 3], dict(strides=[2, 3], padding="VALID")),
    ([2, 3, 4, 2], [3, 4, 2, 3], dict(strides=[2, 1], padding="SAME", rhsDilation=[1, 2])),
    ([1, 3, 4, 2], [3, 2, 3, 2], dict(strides=[2, 2], padding=[[1, 2], [0, 1]], transposeKernel=True)),
    ([1, 2, 5], [2, 3, 4], dict(strides=[3], padding="VALID", dimensionNumbers=["NCH", "IOH", "NCH"])),
]
WINDOWS = [
    ([6, 5], dict(windowDimensions=[2, 3])),
    ([7, 5], dict(windowDimensions=[3, 2], windowStrides=[2, 1], padding="SAME")),
    ([2, 6, 5], dict(windowDimensions=[1, 2, 2], windowStrides=[1, 2, 2], padding="VALID")),
    ([2, 6, 5], dict(windowDimensions=[1, 3, 3], windowStrides=[1, 2, 2], padding=[[0, 0], [1, 0], [2, 1]])),
    ([9, 4], dict(windowDimensions=[3, 2], windowStrides=[2, 1], padding="SAME_LOWER", windowDilation=[2, 2])),
    ([5, 4], dict(windowDimensions=[2, 3], padding=[[1, 1], [1, 2]], baseDilation=[2, 1])),
]
SNAKE = {"windowStrides": "window_strides", "lhsDilation": "lhs_dilation", "rhsDilation": "rhs_dilation", "dimensionNumbers": "dimension_numbers", "featureGroupCount": "feature_group_count", "batchGroupCount": "batch_group_count", "transposeKernel": "transpose_kernel", "windowDimensions": "window_dimensions", "baseDilation": "base_dilation", "windowDilation": "window_dilation"}  # fmt: skip


def options_of(options):
    tuples = lambda v: tuple(tuples(x) for x in v) if isinstance(v, list) else v
    return {SNAKE.get(k, k): tuples(v) for k, v in options.items()}


def convolutions():
    for fn, jax_fn, cases in (("convGeneralDilated", lax.conv_general_dilated, CONVS), ("convTranspose", lax.conv_transpose, TRANSPOSES)):
        for lhs, rhs, options in cases:
            f = lambda x, w: jax_fn(x, w, **options_of(options))
            x, w = fill(lhs, 1), fill(rhs, 2)
            grads, seconds = derivatives(f, (x, w), (fill(lhs, 3), fill(rhs, 4)))
            yield {"fn": fn, "lhs": lhs, "rhs": rhs, "options": options, "y": short(f(x, w)), "grads": grads, "seconds": seconds}


def windows():
    for shape, options in WINDOWS:
        for name, init, f in (("sum", 0.0, lax.add), ("max", -np.inf, lax.max), ("min", np.inf, lax.min)):
            own = {"window_strides": (1,) * len(shape), "padding": "VALID", **options_of(options)}
            g = lambda x: lax.reduce_window(x, init, f, **own)
            x = fill(shape, 1, 5)  # many are equal
            row = {"shape": shape, "computation": name, "options": options, "y": short(g(x))}
            if not {"baseDilation", "windowDilation"} & set(options) or name == "sum":  # JAX has no derivative of the others
                row["grads"], row["seconds"] = derivatives(g, (x,), (fill(shape, 3),))
            yield row


def layers():
    F = torch.nn.functional
    both = lambda **options: (options, options)
    for fn, f, x, weight, (options, theirs) in (
        ("conv", F.conv1d, [2, 3, 7], [4, 3, 3], both(padding=1)),
        ("conv", F.conv1d, [1, 4, 9], [6, 2, 3], ({"strides": 2, "dilation": 2, "groups": 2}, {"stride": 2, "dilation": 2, "groups": 2})),
        ("conv", F.conv2d, [2, 2, 6, 5], [3, 2, 3, 2], ({"strides": [2, 1], "padding": [1, 0]}, {"stride": (2, 1), "padding": (1, 0)})),
        ("conv", F.conv2d, [1, 3, 5, 5], [3, 1, 3, 3], ({"padding": "SAME", "groups": 3}, {"padding": "same", "groups": 3})),
        ("patchEmbed", lambda x, w, b: F.conv2d(x, w, b, stride=2).flatten(2).transpose(1, 2), [2, 3, 4, 6], [5, 3, 2, 2], ({}, {})),
        ("maxPool", F.max_pool2d, [1, 2, 7, 6], None, ({"window": 3, "strides": 2, "padding": 1}, {"kernel_size": 3, "stride": 2, "padding": 1})),
        ("maxPool", F.max_pool1d, [1, 2, 9], None, ({"window": [2], "dilation": 3}, {"kernel_size": 2, "dilation": 3})),
        ("avgPool", F.avg_pool2d, [1, 2, 6, 5], None, ({"window": [2, 3], "strides": [2, 1], "padding": [1, 1]}, {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 1)})),
        ("avgPool", F.avg_pool2d, [1, 2, 6, 6], None, ({"window": 3, "padding": 1, "countIncludePad": False}, {"kernel_size": 3, "padding": 1, "count_include_pad": False})),
    ):  # fmt: skip
        tensors = [torch.tensor(fill(x, 1), requires_grad=True)]
        if weight is not None:
            tensors += [torch.tensor(fill(weight, 2), requires_grad=True), torch.tensor(fill(weight[:1], 3), requires_grad=True)]
        y = f(*tensors, **theirs)
        (y**2).sum().backward()
        yield {"fn": fn, "x": x, "weight": weight, "options": options, "y": short(y.detach()), "grads": [short(t.grad) for t in tensors]}


print(json.dumps({"versions": {"jax": jax.__version__, "torch": torch.__version__}, "convolutions": list(convolutions()), "windows": list(windows()), "layers": list(layers())}, separators=(",", ":")))  # fmt: skip
