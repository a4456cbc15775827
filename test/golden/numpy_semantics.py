"""semantics.json: what jax.numpy does where NumPy, PyTorch and common sense disagree.

promotion: {a, b, x64, out: {dtype, weak}} of jnp.add; "weak int" and "weak float" are Python scalars.
functions: {fn, inputs, params, out}. gradients: the same and `grads`, those of sum(out) in every float input (null for the others).
"""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from golden import array, write

inf, nan = np.inf, np.nan
rng = np.random.default_rng(1)


def f32(*xs):
    return np.array(xs, np.float32)


def i32(*xs):
    return np.array(xs, np.int32)


def u32(*xs):
    return np.array(xs, np.uint32)


# -- promotion

SCALARS = {"weak int": 1, "weak float": 1.0}
DTYPES = ["float32", "int32", "uint32", "bool", *SCALARS]
NARROW = ["float16", "bfloat16", "int8", "uint8"]
promotion, narrow = [], []


def operand(name):
    return SCALARS[name] if name in SCALARS else jnp.ones((), name)


def promote(a, b, x64=False):
    out = jnp.add(operand(a), operand(b))
    row = {"a": a, "b": b, "x64": x64, "out": {"dtype": out.dtype.name, "weak": bool(out.weak_type)}}
    (narrow if {a, b} & set(NARROW) else promotion).append(row)


for a in DTYPES + NARROW:
    for b in DTYPES + NARROW:
        promote(a, b)
with jax.enable_x64(True):
    for name in [*DTYPES, "float64"]:
        promote("float64", name, True)
        if name != "float64":
            promote(name, "float64", True)

# -- functions

functions = []


def case(name, fn, *inputs, **params):
    """`params` say in words what fn does besides taking the inputs."""
    out = fn(*[jnp.asarray(x) for x in inputs])
    functions.append({"fn": name, "inputs": [array(x) for x in inputs], "params": params, "out": array(out)})


x = np.arange(10, dtype=np.float32) * 10
for index in (0, 9, 10, 1000, -1, -10, -11, -1000):
    case("get", lambda x: x[index], x, index=index)
wild = i32(0, 9, 10, 25, -1, -10, -11, -100)
case("get", lambda x, i: x[i], x, wild)
m = np.arange(12, dtype=np.int32).reshape(3, 4)
case("get", lambda x, i: x[i], m, i32(2, -1, 3))
case("get", lambda x, i, j: x[i, j], m, i32(0, 1, 2, -1), i32(3, 0, 9, -9))
for values in (x, np.arange(10, dtype=np.int32), np.arange(10, dtype=np.uint32), np.arange(10) % 3 == 0):
    case("take", lambda x, i: jnp.take(x, i), values, wild)
    for mode in ("fill", "clip", "wrap"):
        case("take", lambda x, i: jnp.take(x, i, mode=mode), values, wild, mode=mode)
case("take", lambda x, i: jnp.take(x, i, axis=1), m, i32(3, 0, 4, -1), axis=1)
case("take", lambda x, i: jnp.take(x, i, axis=0), m.astype(np.float32), i32(2, 0, 3, -4).reshape(2, 2), axis=0)
case("takeAlongAxis", lambda x, i: jnp.take_along_axis(x, i, 1), m.astype(np.float32), i32(0, 3, 4, -1, 1, -5).reshape(3, 2), axis=1)
for method in ("set", "add", "mul", "min", "max"):
    case("at." + method, lambda x, i, v: getattr(x.at[i], method)(v), x[:5], i32(1, 4, 5, -1, -6, 1), f32(1, 2, 3, 4, 5, 60) if method != "set" else f32(1, 2, 3, 2, 5, 1))
case("at.set", lambda x: x.at[10].set(-1.0), x, index=10, value=-1)
case("at.set", lambda x: x.at[-1].set(-1.0), x, index=-1, value=-1)
case("at.add", lambda x: x.at[-11].add(-1.0), x, index=-11, value=-1)
case("dynamicSlice", lambda x: lax.dynamic_slice(x, (8,), (4,)), x, startIndices=[8], sliceSizes=[4])
case("dynamicUpdateSlice", lambda x, u: lax.dynamic_update_slice(x, u, (9,)), x, f32(1, 2, 3), startIndices=[9])

a, b = np.meshgrid(i32(7, -7, 0, 6, -6, 2147483647, -2147483648), i32(3, -3, 0, 7, -1, 2147483647), indexing="ij")
af, bf = np.meshgrid(f32(7.5, -7.5, 0, -0.0, 6, -6, 1e-3, inf, -inf, nan), f32(3, -3, 0, -0.0, 2.5, -2.5, inf, -inf, nan), indexing="ij")
au, bu = np.meshgrid(u32(0, 7, 4294967295, 2147483648), u32(3, 0, 7, 4294967295), indexing="ij")
for name, fn in {"floorDivide": jnp.floor_divide, "mod": jnp.mod, "fmod": jnp.fmod}.items():
    for p, q in ((a, b), (au, bu), (af, bf)):
        case(name, fn, p.ravel(), q.ravel())
case("divide", jnp.divide, a.ravel(), b.ravel())
case("divide", jnp.divide, af.ravel(), bf.ravel())
case("power", jnp.power, i32(2, -2, 3, 0, 7, -1, 10), i32(3, 3, 0, 0, 11, 31, 9))
case("power", jnp.power, f32(2, -2, 0, -0.0, 4, -8, nan, 1), f32(-1, 3, 0, -1, 0.5, 1 / 3, 0, nan))
case("sqrt", jnp.sqrt, i32(0, 1, 2, 9))
case("sign", jnp.sign, f32(-2, -0.0, 0, 3, nan))
case("round", jnp.round, f32(0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6))
case("round", lambda x: jnp.round(x, 1), f32(0.25, 0.35, -1.25, 12.34), decimals=1)
case("trunc", jnp.trunc, f32(1.7, -1.7, -0.5, inf, nan))

special = f32(1, nan, 3, -inf, 2, 2, inf, -1, 0.0, -0.0, 2, 0).reshape(3, 4)
for name, fn in {"max": jnp.max, "min": jnp.min, "argmax": jnp.argmax, "argmin": jnp.argmin, "sum": jnp.sum, "prod": jnp.prod, "mean": jnp.mean, "nanmax": jnp.nanmax,
                 "nanmin": jnp.nanmin, "nansum": jnp.nansum, "nanmean": jnp.nanmean, "cumsum": jnp.cumsum, "cumprod": jnp.cumprod, "sort": jnp.sort, "argsort": jnp.argsort}.items():  # fmt: skip
    case(name, fn, special)
    for axis in (0, 1):
        case(name, lambda x: fn(x, axis=axis), special, axis=axis)
for name, fn in {"maximum": jnp.maximum, "minimum": jnp.minimum, "fmax": jnp.fmax, "fmin": jnp.fmin}.items():
    p, q = np.meshgrid(f32(1, -1, nan, inf, 0.0, -0.0), f32(1, -1, nan, -inf, 0.0, -0.0))
    case(name, fn, p.ravel(), q.ravel())
for name, fn in {"sum": jnp.sum, "prod": jnp.prod, "mean": jnp.mean, "max": jnp.max, "min": jnp.min, "any": jnp.any, "all": jnp.all, "argmax": jnp.argmax,
                 "var": jnp.var, "cumsum": jnp.cumsum}.items():  # fmt: skip
    for values in (i32(3, -1, 4, -1, 5), u32(3, 1, 4), np.array([True, False, True])):
        case(name, fn, values)
for name, fn in {"sum": jnp.sum, "prod": jnp.prod, "mean": jnp.mean, "var": jnp.var, "any": jnp.any, "all": jnp.all, "cumsum": jnp.cumsum}.items():
    case(name, fn, np.zeros((0,), np.float32))
y = rng.standard_normal((3, 4)).astype(np.float32)
for name, fn in {"var": jnp.var, "std": jnp.std}.items():
    for params in ({}, {"ddof": 1}, {"axis": 0}, {"axis": 1, "ddof": 1}, {"axis": 1, "keepdims": True}):
        case(name, lambda x: fn(x, **params), y, **params)
    case(name, lambda x: fn(x, ddof=1), f32(2), ddof=1)
    case(name, fn, f32(1e4, 1e4 + 1, 1e4 + 2))
for values in (f32(0, 1, 2), f32(1000, 1000, 999), f32(-inf, -inf), f32(inf, 1), f32(-inf, 0), f32(nan, 1), f32(-1000, -1001), np.zeros((0,), np.float32)):
    case("logsumexp", jax.nn.logsumexp, values)
case("logsumexp", lambda x: jax.nn.logsumexp(x, axis=1, keepdims=True), y, axis=1, keepdims=True)
case("logaddexp", jnp.logaddexp, f32(0, 1000, -inf, inf, -inf, inf, nan), f32(0, 999, -inf, inf, 1, -inf, 1))
for name, fn in {"softmax": jax.nn.softmax, "logSoftmax": jax.nn.log_softmax}.items():
    case(name, fn, f32(0, 1, 2, -1))
    case(name, fn, f32(-inf, -inf, -inf))
    case(name, fn, f32(-inf, 1, 2))
    case(name, fn, f32(inf, 1, 2))
    case(name, fn, f32(1000, -1000, 999))
    case(name, lambda x: fn(x, axis=0), y, axis=0)
grid = f32(-10, -3, -1.5, -1, -0.5, -1e-3, -0.0, 0, 1e-3, 0.5, 1, 1.5, 3, 10, inf, -inf, nan)
case("gelu", jax.nn.gelu, grid)
case("gelu", lambda x: jax.nn.gelu(x, approximate=False), grid, approximate=False)
for name, fn in {"relu": jax.nn.relu, "relu6": jax.nn.relu6, "silu": jax.nn.silu, "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "elu": jax.nn.elu,
                 "leakyRelu": jax.nn.leaky_relu, "logSigmoid": jax.nn.log_sigmoid, "mish": jax.nn.mish, "softSign": jax.nn.soft_sign, "hardTanh": jax.nn.hard_tanh}.items():  # fmt: skip
    case(name, fn, grid)
case("oneHot", lambda i: jax.nn.one_hot(i, 3), i32(0, 2, 3, -1), numClasses=3)
case("standardize", jax.nn.standardize, y)

for start, stop, num, endpoint in ((0, 1, 5, True), (0, 1, 5, False), (-1, 3, 7, True), (0, 10, 1, True), (0, 10, 1, False), (2, 2, 3, True), (0, 1, 0, True), (5, -5, 11, True), (0.1, 0.7, 50, True)):
    case("linspace", lambda: jnp.linspace(start, stop, num, endpoint=endpoint), start=start, stop=stop, num=num, endpoint=endpoint)
for params in ({"stop": 5}, {"start": 2, "stop": 7}, {"start": 7, "stop": 2, "step": -2}, {"start": 0.0, "stop": 1.0, "step": 0.25}, {"start": 0.0, "stop": 1.0, "step": 0.1},
               {"start": 5, "stop": 2}, {"stop": 4, "dtype": "float32"}, {"start": 0, "stop": 7, "step": 3}, {"start": -2.5, "stop": 2.5}):  # fmt: skip
    case("arange", lambda: jnp.arange(params.get("start", 0), params["stop"], params.get("step", 1), dtype=params.get("dtype")), **params)

ties = i32(3, 1, 2, 1, 3, 2, 1)
for params in ({}, {"descending": True}):
    case("argsort", lambda x: jnp.argsort(x, **params), ties, **params)
    case("sort", lambda x: jnp.sort(x, **params), f32(3, nan, -0.0, 0.0, -inf, inf, 1), **params)
    case("argsort", lambda x: jnp.argsort(x, **params), f32(3, nan, -0.0, 0.0, -inf, inf, 1, 0.0, nan), **params)
case("argsort", lambda x: jnp.argsort(x, axis=0), y, axis=0)
case("cumsum", lambda x: jnp.cumsum(x, axis=1), y, axis=1)
case("cumsum", jnp.cumsum, y)
case("where", jnp.where, np.array([True, False, True]), f32(1, 2, nan), f32(4, nan, 6))
case("where", lambda c, x: jnp.where(c, x, 0), np.array([True, False]), f32(1, 2), y=0)
case("where", jnp.where, np.array([[True], [False]]), i32(1, 2, 3), f32(0.5))
case("where", jnp.where, f32(0, 2, nan, -0.0), i32(1, 1, 1, 1), i32(0, 0, 0, 0))
for params in ({"min": -1, "max": 1}, {"min": 0}, {"max": 0}, {"min": 1, "max": -1}):
    case("clip", lambda x: jnp.clip(x, **params), f32(-3, -0.5, -0.0, 0.5, 3, inf, -inf, nan), **params)
case("clip", lambda x: jnp.clip(x, 0, 2.5), i32(-1, 1, 5), min=0, max=2.5)
case("isclose", jnp.isclose, f32(1, 1, nan, inf, inf), f32(1 + 1e-6, 1.01, nan, inf, -inf))
case("tril", jnp.tril, m)
case("triu", lambda x: jnp.triu(x, 1), m, k=1)
case("roll", lambda x: jnp.roll(x, -1, 1), m, shift=-1, axis=1)
case("diff", jnp.diff, x[:4] ** 2)
case("searchsorted", jnp.searchsorted, f32(1, 2, 2, 3), f32(0, 2, 2.5, 9, nan))
case("bincount", lambda i: jnp.bincount(i, length=5), i32(0, 1, 1, 7, 3), length=5)

EINSUMS = ["ij,jk->ik", "ij,jk", "ij,kj->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "bqhd,bkhd->bhqk", "ij->ji", "ij->i", "ij->", "ii->i", "ii", "i,j->ij", "i,i->", "i,i", "ij,j->i", "ij,ij->ij",
           "ij,ij->", "...ij,jk->...ik", "ijk,jil->kl", "ij,jk,kl->il", "bij,bj->bi", "ij,i->j", "ba", "ijk->kij", "iij->j", "bi,bj,bk->ijk"]  # fmt: skip
EXTENT = dict(zip("ijklbhqda", (2, 3, 4, 5, 2, 2, 3, 4, 3)))
for subscripts in EINSUMS:
    operands = []
    for term in subscripts.split("->")[0].split(","):
        shape = (2, 3) + tuple(EXTENT[c] for c in term[3:]) if term.startswith("...") else tuple(EXTENT[c] for c in term)
        operands.append(rng.integers(-4, 5, shape).astype(np.float32))
    case("einsum", lambda *xs: jnp.einsum(subscripts, *xs, precision="highest"), *operands, subscripts=subscripts)
case("einsum", lambda *xs: jnp.einsum("ij,jk->ik", *xs), m, np.ones((4, 2), np.int32), subscripts="ij,jk->ik")
case("matmul", jnp.matmul, m, m.T)
case("matmul", jnp.matmul, f32(1, 2, 3), f32(4, 5, 6))
case("matmul", jnp.matmul, np.ones((2, 1, 2, 3), np.float32), np.arange(18, dtype=np.float32).reshape(3, 3, 2))
case("dot", jnp.dot, np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.arange(12, dtype=np.float32).reshape(2, 3, 2))

# Attention as in jax.nn: [B,T,H,D/H]. A row that is masked whole gets the mean of the values, not NaN.
q, k, v = (rng.standard_normal((1, 3, 2, 4)).astype(np.float32) for _ in range(3))
mask = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], bool).reshape(1, 1, 3, 3)
bias = rng.standard_normal((1, 2, 3, 3)).astype(np.float32)
case("dotProductAttention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v), q, k, v)
case("dotProductAttention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True), q, k, v, isCausal=True)
case("dotProductAttention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v, scale=0.3), q, k, v, scale=0.3)
case("dotProductAttention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v, local_window_size=(1, 0)), q, k, v, localWindowSize=[1, 0])
case("dotProductAttention", lambda q, k, v, m: jax.nn.dot_product_attention(q, k, v, mask=m), q, k, v, mask, operands=["query", "key", "value", "mask"])
case("dotProductAttention", lambda q, k, v, b: jax.nn.dot_product_attention(q, k, v, b), q, k, v, bias, operands=["query", "key", "value", "bias"])
case("dotProductAttention", lambda q, k, v: jax.nn.dot_product_attention(q, k, v), q, k[:, :, :1], v[:, :, :1])

# -- gradients

gradients = []


def grad(name, fn, *inputs, **params):
    floats = tuple(i for i, x in enumerate(inputs) if x.dtype == np.float32)
    xs = [jnp.asarray(x) for x in inputs]
    found = dict(zip(floats, jax.grad(lambda *xs: jnp.sum(fn(*xs)), floats)(*xs)))
    gradients.append({"fn": name, "inputs": [array(x) for x in inputs], "params": params, "out": array(fn(*xs)),
                      "grads": [array(found[i]) if i in found else None for i in range(len(inputs))]})  # fmt: skip


around = f32(-1, -0.0, 0.0, 1, nan)
for name, fn in {"abs": jnp.abs, "relu": jax.nn.relu, "relu6": jax.nn.relu6, "leakyRelu": jax.nn.leaky_relu, "elu": jax.nn.elu, "silu": jax.nn.silu, "gelu": jax.nn.gelu,
                 "sign": jnp.sign, "floor": jnp.floor, "round": jnp.round, "sqrt": jnp.sqrt, "rsqrt": lax.rsqrt, "log": jnp.log, "log1p": jnp.log1p, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid,
                 "softplus": jax.nn.softplus, "asin": jnp.arcsin, "acos": jnp.arccos, "atanh": jnp.arctanh, "square": jnp.square, "reciprocal": jnp.reciprocal,
                 "erfInv": lax.erf_inv, "cbrt": jnp.cbrt}.items():  # fmt: skip
    grad(name, fn, around)
grad("relu6", jax.nn.relu6, f32(6, 5.9, 6.1))
p, q = f32(1, 2, 2, nan, 0.0, -0.0, inf, inf), f32(2, 1, 2, 1, -0.0, 0.0, inf, -inf)
for name, fn in {"maximum": jnp.maximum, "minimum": jnp.minimum, "logaddexp": jnp.logaddexp, "atan2": jnp.arctan2, "hypot": jnp.hypot}.items():
    grad(name, fn, p, q)
grad("atan2", jnp.arctan2, f32(0, 0, 1), f32(0, 1, 0))
grad("power", jnp.power, f32(0, 0, 0, 2, -2, -2, 0, 1), f32(0, 1, 2, 3, 2, 3, 0.5, 0))
grad("integerPow", lambda x: x**2, f32(0, -0.0, 3), y=2)
grad("integerPow", lambda x: x**1, f32(0, 3), y=1)
grad("integerPow", lambda x: x**-1, f32(0, 2), y=-1)
grad("divide", jnp.divide, f32(1, 0, 1), f32(2, 2, 0))
grad("mod", jnp.mod, f32(7, -7, 7, -7, 6), f32(3, 3, -3, -3, 3))
grad("floorDivide", jnp.floor_divide, f32(7, -7), f32(3, 3))
for params in ({"min": -1, "max": 1}, {"min": 0}, {"max": 0}):
    grad("clip", lambda x: jnp.clip(x, **params), f32(-2, -1, -0.5, 0, 1, 2, nan), **params)
grad("clamp", lax.clamp, f32(-1, -1, -1, 1, 2), f32(-2, -1, 0, 1, 0), f32(1, 1, 1, 1, 1))
for name, fn in {"max": jnp.max, "min": jnp.min}.items():
    grad(name, fn, f32(1, 3, 3, 1, 1, 2))
    grad(name, lambda x: fn(x, axis=1), f32(1, 3, 3, 1, 1, 2).reshape(2, 3), axis=1)
    grad(name, fn, f32(1, nan, 3, nan))
    grad(name, fn, f32(inf, inf, -inf))
    grad(name, fn, f32(0.0, -0.0))
grad("cummax", lambda x: lax.cummax(x), f32(1, 1, 3, 2, 3))
grad("cummin", lambda x: lax.cummin(x), f32(3, 1, 1, 2, 0))
for values in (f32(2, 3, 4), f32(0, 3, 4), f32(0, 0, 4)):
    grad("prod", jnp.prod, values)
    grad("cumprod", jnp.cumprod, values)
grad("sort", lambda x: jnp.sort(x) * jnp.arange(1.0, 6.0), f32(3, 1, 2, 1, 3), weights=[1, 2, 3, 4, 5])
grad("median", jnp.median, f32(3, 1, 2, 1))
grad("norm", jnp.linalg.norm, f32(3, 4))
grad("norm", jnp.linalg.norm, f32(0, 0))
grad("std", jnp.std, f32(1, 2, 4))
grad("std", jnp.std, f32(1, 1))
grad("var", lambda x: jnp.var(x, ddof=1), f32(1, 2, 4), ddof=1)
for values in (f32(0, 0), f32(1000, 999), f32(-inf, 0), f32(-inf, -inf), f32(inf, 0)):
    grad("logsumexp", jax.nn.logsumexp, values)
grad("logSoftmax", lambda x: jax.nn.log_softmax(x)[0], f32(1, 2, 3), pick=0)
grad("softmax", lambda x: jax.nn.softmax(x)[0], f32(1, 2, 3), pick=0)
grad("softmax", lambda x: jax.nn.softmax(x)[0], f32(-inf, 2, 3), pick=0)
grad("where", lambda c, x: jnp.where(c, jnp.sqrt(x), 0.0), np.array([True, False]), f32(4, 0), expression="where(c, sqrt(x), 0)")
grad("get", lambda x: x[10], f32(1, 2, 3), index=10)
grad("get", lambda x, i: x[i], f32(1, 2, 3), i32(0, 0, 5, -1))
grad("take", lambda x, i: jnp.take(x, i), f32(1, 2, 3), i32(0, 0, 5, -1))
grad("at.set", lambda x, i, v: x.at[i].set(v), f32(1, 2, 3), i32(0, 5), f32(10, 20))
grad("at.add", lambda x, i, v: x.at[i].add(v), f32(1, 2, 3), i32(0, 0, 5), f32(10, 20, 30))
grad("dynamicSlice", lambda x: lax.dynamic_slice(x, (2,), (2,)), f32(1, 2, 3), startIndices=[2], sliceSizes=[2])

write("semantics.json", {"versions": {"jax": jax.__version__, "numpy": np.__version__}, "promotion": promotion, "functions": functions, "gradients": gradients, "narrowPromotion": narrow})
