"""Norms of vectors and matrices by every order, and attention under JAX's own names: python test/golden/norms.py > test/golden/norms.json"""
import json

import jax
import jax.numpy as jnp
import numpy as np

M = jnp.array([[1.0, -2.0, 3.5], [3.0, 4.0, -1.0]])
V = jnp.array([1.0, -2.0, 0.5, 4.0])
T = jnp.stack([M, 2 * M - 1])
ORDS = {"none": None, "1": 1, "-1": -1, "Infinity": jnp.inf, "-Infinity": -jnp.inf, "fro": "fro"}
VECTOR = {"none": None, "0": 0, "1": 1, "2": 2, "3": 3, "0.5": 0.5, "-3": -3, "Infinity": jnp.inf, "-Infinity": -jnp.inf}
CASES = {
    "vector": (V, VECTOR, {}),
    "columns": (M + 0.5, VECTOR, {"axis": 0}),
    "matrix": (M, ORDS, {}),
    "matrices": (T, ORDS, {"axis": [1, 2]}),
    "transposed, kept": (T, ORDS, {"axis": [2, 0], "keepdims": True}),
}


def short(x):
    return json.loads(json.dumps(np.asarray(x).tolist()), parse_float=lambda t: float(f"{float(t):.7g}"))


def norm(x, ord, axis=None, keepdims=False):
    return jnp.linalg.norm(x, ord=ord, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)


def norms():
    for name, (x, ords, options) in CASES.items():
        for label, ord in ords.items():
            y = norm(x, ord, **options)
            d = jax.grad(lambda x: norm(x, ord, **options).sum())(x)
            yield {"case": name, "x": x.tolist(), "ord": label, "options": options, "y": short(y), "d": short(d)}


def attention():
    B, T_, S, N, K, H = 2, 4, 5, 4, 2, 3
    q, k, v = (np.sin(np.arange(np.prod(s)) * 0.7 + i).reshape(s).astype(np.float32).round(3) for i, s in enumerate([(B, T_, N, H), (B, S, K, H), (B, S, K, H)]))
    bias = np.cos(np.arange(N * T_ * S)).reshape(1, N, T_, S).astype(np.float32).round(3)
    mask = (np.arange(T_ * S).reshape(1, 1, T_, S) % 3) != 0
    lengths = lambda *n: np.array(n, np.int32)
    for name, options in {
        "isCausal": {"is_causal": True},
        "localWindowSize": {"local_window_size": (1, 0)},
        "localWindowSize of both": {"local_window_size": 1},
        "querySeqLengths": {"query_seq_lengths": lengths(2, 0)},
        "keyValueSeqLengths": {"key_value_seq_lengths": lengths(3, 0)},
        "all": {"is_causal": True, "bias": bias, "mask": mask, "scale": 0.3, "query_seq_lengths": lengths(4, 3), "key_value_seq_lengths": lengths(5, 2), "local_window_size": (2, 1)},
    }.items():
        y = jax.nn.dot_product_attention(q, k, v, **options)
        plain = {n: short(o) if isinstance(o, np.ndarray) else o for n, o in options.items()}
        yield {"name": name, "q": short(q), "k": short(k), "v": short(v), "options": plain, "y": short(y)}


print(json.dumps({"norms": list(norms()), "attention": list(attention())}, separators=(",", ":")))
