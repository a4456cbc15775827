"""primitives.json: what jax.lax computes on the CPU for each primitive. Names and params are those of src/core/ops.ts.

float32 unless a case's inputs say otherwise. Subnormal floats are left out, since devices may flush them. `jaxUlp` is JAX's own error:
the largest distance, in units of the last place of float32, between its float32 result and the same computation in float64.
"""
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from golden import array, write

TINY = np.finfo(np.float32).tiny
inf, nan = np.inf, np.nan
cases = []
narrow = []  # casts from and to dtypes of 8 and 16 bits
rng = np.random.default_rng(0)


def f32(*xs):
    return np.array(xs, np.float32)


def i32(*xs):
    return np.array(xs, np.int32)


def u32(*xs):
    return np.array(xs, np.uint32)


def case(op, fn, *inputs, to=cases, **params):
    inputs = [np.asarray(x) for x in inputs]
    outs = fn(*[jnp.asarray(x) for x in inputs])
    outs = outs if isinstance(outs, (list, tuple)) else [outs]
    c = {"op": op, "params": params, "inputs": [array(x) for x in inputs], "outputs": [array(y) for y in outs]}
    to.append(c)
    return c


def subnormal(x):
    x = np.abs(np.asarray(x, np.float64))
    return (x > 0) & (x < TINY)


def in_double(fn, inputs):
    with jax.enable_x64(True):
        return np.asarray(fn(*[jnp.asarray(x.astype(np.float64)) for x in inputs]))


def float_case(op, fn, *inputs, **params):
    """Element-wise on float32 vectors of one length, less what is subnormal, with JAX's own error where the result is a float."""
    exact = in_double(fn, inputs)
    keep = ~subnormal(exact) if exact.dtype.kind == "f" else np.ones(exact.shape, bool)
    inputs = [x[keep] for x in inputs]
    c = case(op, fn, *inputs, **params)
    if exact.dtype.kind == "f":
        got = np.asarray(fn(*[jnp.asarray(x) for x in inputs])).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            near = exact[keep].astype(np.float32)
            both = np.isfinite(near) & np.isfinite(got)
            ulps = np.abs(got - exact[keep])[both] / np.spacing(np.abs(near[both])).astype(np.float64)
        c["jaxUlp"] = round(float(ulps.max(initial=0)), 2)


def double_case(op, fn, *inputs, **params):
    with jax.enable_x64(True):
        case(op, fn, *[x.astype(np.float64) for x in inputs], **params)


# -- element-wise, one operand

SPECIAL = [0.0, -0.0, inf, -inf, nan]
REALS = f32(*SPECIAL, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.5, 0.1, -0.3, 0.25, 0.75, -0.9, 0.999, 1.001, np.pi / 4, np.pi / 2, np.e, np.pi, -np.pi,
            7.1, -12.3, 20.7, 50.2, -50.2, -87, 88.5, 89, -104.5, 100.25, 1e-3, -1e-6, 1e-10, -1e-20, 123.456, -9999.5, 8388607.5, 8388609, 1e10, -3e20, 3.4028235e38,
            -3.4028235e38, 1e-37, -1e-37)
ANGLES = REALS[np.isnan(REALS) | np.isinf(REALS) | (np.abs(REALS) < 2e4)]
INTS = i32(0, 1, -1, 2, -2, 7, -7, 100, -100, 46341, 65536, 16777217, 123456789, -987654321, 2147483647, -2147483648)
UINTS = u32(0, 1, 2, 7, 100, 46341, 65536, 16777217, 123456789, 2147483647, 2147483648, 3000000000, 4294967294, 4294967295)
BOOLS = np.array([False, True])

round_even = functools.partial(lax.round, rounding_method=lax.RoundingMethod.TO_NEAREST_EVEN)
UNARY = {
    "neg": lax.neg, "abs": lax.abs, "sign": lax.sign, "floor": lax.floor, "ceil": lax.ceil, "round": round_even, "exp": lax.exp, "expm1": lax.expm1,
    "log": lax.log, "log1p": lax.log1p, "sqrt": lax.sqrt, "rsqrt": lax.rsqrt, "sin": lax.sin, "cos": lax.cos, "tan": lax.tan, "asin": lax.asin,
    "acos": lax.acos, "atan": lax.atan, "sinh": lax.sinh, "cosh": lax.cosh, "tanh": lax.tanh, "asinh": lax.asinh, "acosh": lax.acosh,
    "atanh": lax.atanh, "erf": lax.erf, "erfInv": lax.erf_inv, "logistic": lax.logistic, "isFinite": lax.is_finite,
}  # fmt: skip
for op, fn in UNARY.items():
    xs = ANGLES if op in ("sin", "cos", "tan") else REALS
    float_case(op, fn, xs)
    double_case(op, fn, xs)
for op in ("neg", "abs", "sign"):
    case(op, UNARY[op], INTS)
for op in ("neg", "sign"):
    case(op, UNARY[op], UINTS)
for xs in (INTS, UINTS, BOOLS):
    case("not", lax.bitwise_not, xs)
case("exp", lax.exp, np.float32(1))
case("exp", lax.exp, np.zeros((0, 3), np.float32))
for y in (-3, -2, -1, 0, 1, 2, 3, 4, 5, 7):
    float_case("integerPow", lambda x, y=y: lax.integer_pow(x, y), REALS, y=y)
    if y >= 0:
        case("integerPow", lambda x, y=y: lax.integer_pow(x, y), INTS, y=y)
        case("integerPow", lambda x, y=y: lax.integer_pow(x, y), UINTS, y=y)
double_case("integerPow", lambda x: lax.integer_pow(x, 3), REALS, y=3)

# -- casts

CAST = {"float32": np.concatenate([REALS, f32(2147483647, 2147483904, -2147483648, -2147483904, 4294967040, 4294967296, 0.999, -0.999, 255.5, 65504, 65520)]),
        "int32": INTS, "uint32": UINTS, "bool": BOOLS}  # fmt: skip
for src, xs in CAST.items():
    for dst in CAST:
        if src != dst:
            case("convertElementType", lambda x, dst=dst: lax.convert_element_type(x, dst), xs, dtype=dst, weak=False)
    for dst in ("int8", "uint8", "float16", "bfloat16"):
        case("convertElementType", lambda x, dst=dst: lax.convert_element_type(x, dst), xs, to=narrow, dtype=dst, weak=False)
for src, xs in {"int8": [0, 1, -1, 127, -128], "uint8": [0, 1, 128, 255], "float16": [0, -0.0, 1.5, 65504, inf, nan, 0.1], "bfloat16": [0, -0.0, 3e38, 0.1, -7.25, nan]}.items():
    xs = np.asarray(jnp.array(xs, src))
    for dst in CAST:
        case("convertElementType", lambda x, dst=dst: lax.convert_element_type(x, dst), xs, to=narrow, dtype=dst, weak=False)
with jax.enable_x64(True):
    for dst in CAST:
        case("convertElementType", lambda x, dst=dst: lax.convert_element_type(x, dst),
             np.array([*SPECIAL, 0.1, -1.9, 1e300, -1e300, 2147483647.0, -2147483649.0, 4294967295.0, 16777217.0, 1e-3], np.float64), dtype=dst, weak=False)  # fmt: skip
        case("convertElementType", lambda x: lax.convert_element_type(x, "float64"), CAST[dst], dtype="float64", weak=False)
case("bitcastConvertType", lambda x: lax.bitcast_convert_type(x, np.uint32), REALS[~np.isnan(REALS)], dtype="uint32")
case("bitcastConvertType", lambda x: lax.bitcast_convert_type(x, np.int32), REALS[~np.isnan(REALS)], dtype="int32")
case("bitcastConvertType", lambda x: lax.bitcast_convert_type(x, np.float32), u32(0, 0x80000000, 0x3F800000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x00800000, 0x7FC00000), dtype="float32")

# -- element-wise, two operands


def pairs(xs, ys=None):
    a, b = np.meshgrid(xs, xs if ys is None else ys, indexing="ij")
    return a.ravel(), b.ravel()


REAL_PAIRS = pairs(f32(*SPECIAL, 1, -1, 2, -2.5, 0.1, 3, -7.25, 1e10, 123.456))
INT_PAIRS = pairs(i32(0, 1, -1, 2, -3, 7, -100, 46341, 123456789, 2147483647, -2147483648))
UINT_PAIRS = pairs(u32(0, 1, 2, 7, 100, 65537, 2147483647, 2147483648, 4294967295))
BOOL_PAIRS = pairs(BOOLS)
ARITHMETIC = {"add": lax.add, "sub": lax.sub, "mul": lax.mul, "div": lax.div, "rem": lax.rem, "max": lax.max, "min": lax.min}
for op, fn in ARITHMETIC.items():
    float_case(op, fn, *REAL_PAIRS)
    case(op, fn, *INT_PAIRS)
    case(op, fn, *UINT_PAIRS)
for op in ("max", "min"):
    case(op, ARITHMETIC[op], *BOOL_PAIRS)
for op, fn in {"pow": lax.pow, "atan2": lax.atan2}.items():
    float_case(op, fn, *REAL_PAIRS)
    double_case(op, fn, *REAL_PAIRS)
float_case("pow", lax.pow, f32(1.0001, 2, 10, 10, 0.5, 1.5, 3, 7.3, 0.9, 1e-3), f32(10000, 0.5, 38, -37, 100, 200, -2.5, 11.1, 333.3, 12))
for op in ("add", "div", "rem", "max"):
    double_case(op, ARITHMETIC[op], *REAL_PAIRS)
steps = pairs(f32(1, -1, 2.5, -7.25, 1e10, inf, -inf, nan, 3.4028235e38), f32(0, 1, -1, inf, -inf, nan, 2.5))
case("nextafter", lax.nextafter, *steps)
for op, fn in {"and": lax.bitwise_and, "or": lax.bitwise_or, "xor": lax.bitwise_xor}.items():
    for operands in (INT_PAIRS, UINT_PAIRS, BOOL_PAIRS):
        case(op, fn, *operands)
SHIFTS = [0, 1, 5, 31, 32, 33, 100]
for op, fn in {"shiftLeft": lax.shift_left, "shiftRightLogical": lax.shift_right_logical, "shiftRightArithmetic": lax.shift_right_arithmetic}.items():
    case(op, fn, *pairs(i32(0, 1, -1, 7, -100, 123456789, 2147483647, -2147483648), i32(*SHIFTS, -1)))
    case(op, fn, *pairs(u32(0, 1, 7, 123456789, 2147483648, 4294967295), u32(*SHIFTS, 4294967295)))
for op, fn in {"eq": lax.eq, "ne": lax.ne, "lt": lax.lt, "le": lax.le, "gt": lax.gt, "ge": lax.ge}.items():
    for operands in (REAL_PAIRS, INT_PAIRS, UINT_PAIRS, BOOL_PAIRS):
        case(op, fn, *operands)

# -- select, clamp

pred = np.array([True, False, True, False])
case("select", lax.select, pred, f32(1, 2, nan, 4), f32(nan, -0.0, 3, inf))
case("select", lax.select, pred, i32(1, 2, 3, 4), i32(-1, -2, -3, -4))
case("select", lax.select, pred, ~pred, pred)
case("select", lax.select, np.array(True), f32(1, 2), f32(3, 4))
x = f32(-3, -0.5, 0.0, 0.5, 3, inf, -inf, nan)
case("clamp", lax.clamp, np.float32(-1), x, np.float32(1))
case("clamp", lax.clamp, np.float32(1), x, np.float32(-1))
case("clamp", lax.clamp, np.full(8, -2, np.float32), x, f32(*range(8)))
case("clamp", lax.clamp, np.int32(-5), INTS, np.int32(99))
case("clamp", lax.clamp, np.uint32(5), UINTS, np.uint32(2147483648))

# -- reductions


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(lo, hi, *shape, dtype=np.int32):
    return rng.integers(lo, hi, shape).astype(dtype)


REDUCE = {"reduceSum": lax.reduce_sum, "reduceProd": lax.reduce_prod, "reduceMax": lax.reduce_max, "reduceMin": lax.reduce_min}
special = f32(1, nan, -2, inf, 3, -inf, 0.0, -0.0, 5, 2, 2, -1).reshape(3, 4)
for op, fn in REDUCE.items():
    for axes in ([0], [1], [2], [0, 2], [0, 1, 2], []):
        case(op, lambda x, axes=axes: fn(x, tuple(axes)), normal(2, 3, 4), axes=axes)
    for x in (normal(0, 3), special, ints(-9, 9, 3, 5), ints(0, 9, 3, 5, dtype=np.uint32), i32(2147483647, 2147483647, -7).reshape(1, 3), np.zeros((2, 0), np.int32)):
        for axes in ([0], [1]):
            case(op, lambda x, axes=axes: fn(x, tuple(axes)), x, axes=axes)
    case(op, lambda x: fn(x, ()), np.float32(2.5), axes=[])
    with jax.enable_x64(True):
        case(op, lambda x: fn(x, (1,)), rng.standard_normal((3, 5)), axes=[1])
case("reduceSum", lambda x: lax.reduce_sum(x, (0,)), np.full(4096, 0.1, np.float32), axes=[0])
for op, fn in {"reduceAnd": lax.reduce_and, "reduceOr": lax.reduce_or}.items():
    for axes in ([0], [1], [0, 1], []):
        case(op, lambda x, axes=axes: fn(x, tuple(axes)), np.array([[1, 1, 0], [0, 1, 0]], bool), axes=axes)
    case(op, lambda x: fn(x, (0,)), np.zeros((0, 2), bool), axes=[0])
for op, fn in {"argmax": lax.argmax, "argmin": lax.argmin}.items():
    ties = f32(1, 3, 3, -1, -1, 2, 0.0, -0.0, 0, 3, nan, nan).reshape(2, 6)
    for x in (normal(3, 4), ties, f32(inf, inf, -inf, -inf).reshape(2, 2), ints(-3, 3, 3, 5), UINTS.reshape(2, 7), np.array([[0, 1, 1], [1, 0, 0]], bool)):
        for axis in (0, 1):
            case(op, lambda x, axis=axis: fn(x, axis, np.int32), x, axis=axis)
for op, fn in {"cumsum": lax.cumsum, "cumprod": lax.cumprod, "cummax": lax.cummax, "cummin": lax.cummin}.items():
    for axis in (0, 1):
        for reverse in (False, True):
            for x in (normal(3, 5), ints(-4, 5, 2, 4), ints(0, 5, 2, 3, dtype=np.uint32)):
                case(op, lambda x, a=axis, r=reverse: fn(x, axis=a, reverse=r), x, axis=axis, reverse=reverse)
    case(op, lambda x: fn(x, axis=1), special, axis=1, reverse=False)
    case(op, lambda x: fn(x, axis=0), normal(0, 2), axis=0, reverse=False)

# -- layout

m = normal(2, 3)
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (2, 3), (1,)), f32(1, 2, 3), shape=[2, 3], broadcastDimensions=[1])
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (2, 3), (0,)), f32(1, 2), shape=[2, 3], broadcastDimensions=[0])
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (0, 2)), m, shape=[2, 4, 3], broadcastDimensions=[0, 2])
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (2, 3), (0, 1)), i32(5, 6, 7).reshape(1, 3), shape=[2, 3], broadcastDimensions=[0, 1])
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (2, 2), ()), np.bool_(True), shape=[2, 2], broadcastDimensions=[])
case("broadcastInDim", lambda x: lax.broadcast_in_dim(x, (0, 3), (1,)), f32(1, 2, 3), shape=[0, 3], broadcastDimensions=[1])
for shape in ([6], [3, 2], [1, 6, 1], [2, 3]):
    case("reshape", lambda x, s=shape: lax.reshape(x, tuple(s)), m, shape=shape)
case("reshape", lambda x: lax.reshape(x, ()), f32(4), shape=[])
case("reshape", lambda x: lax.reshape(x, (3, 0)), normal(0, 2), shape=[3, 0])
for perm in ([0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0]):
    case("transpose", lambda x, p=perm: lax.transpose(x, p), ints(0, 99, 2, 3, 4), permutation=perm)
case("transpose", lambda x: lax.transpose(x, ()), np.float32(1), permutation=[])
for dims in ([], [0], [1], [0, 1]):
    case("rev", lambda x, d=dims: lax.rev(x, d), m, dimensions=dims)
a = ints(0, 99, 5, 7)
for lo, hi, st in (([0, 0], [5, 7], [1, 1]), ([1, 2], [4, 7], [1, 1]), ([0, 1], [5, 7], [2, 3]), ([4, 0], [5, 7], [3, 6]), ([2, 3], [2, 5], [1, 1])):
    case("slice", lambda x, lo=lo, hi=hi, st=st: lax.slice(x, lo, hi, st), a, startIndices=lo, limitIndices=hi, strides=st)
for starts in ([0, 0], [1, 3], [4, 6], [-2, 100], [-100, -1]):
    starts = [np.int32(s) for s in starts]
    case("dynamicSlice", lambda x, i, j: lax.dynamic_slice(x, (i, j), (2, 3)), a, *starts, sliceSizes=[2, 3])
    case("dynamicUpdateSlice", lambda x, u, i, j: lax.dynamic_update_slice(x, u, (i, j)), a, -np.ones((2, 3), np.int32), *starts)
case("dynamicSlice", lambda x, i: lax.dynamic_slice(x, (i,), (2,)), f32(1, 2, 3, nan), np.int32(3), sliceSizes=[2])
case("concatenate", lambda *xs: lax.concatenate(xs, 0), m, normal(1, 3), normal(0, 3), dimension=0)
case("concatenate", lambda *xs: lax.concatenate(xs, 1), m, normal(2, 1), normal(2, 2), dimension=1)
case("concatenate", lambda *xs: lax.concatenate(xs, 0), BOOLS, BOOLS, dimension=0)
case("concatenate", lambda *xs: lax.concatenate(xs, 0), i32(7), dimension=0)
for lo, hi, interior in (([1, 2], [0, 1], [0, 0]), ([0, 0], [0, 0], [1, 2]), ([-1, 0], [0, -2], [0, 0]), ([-1, 1], [2, -1], [2, 1]), ([-2, 0], [0, 0], [0, 0]), ([-1, -1], [-1, -1], [1, 1])):
    for x, v in ((m, np.float32(-0.5)), (ints(0, 9, 2, 3), np.int32(-1))):
        case("pad", lambda x, v, c=tuple(zip(lo, hi, interior)): lax.pad(x, v, c), x, v, lo=lo, hi=hi, interior=interior)
case("pad", lambda x, v: lax.pad(x, v, [(2, 1, 3)]), normal(0), np.float32(1), lo=[2], hi=[1], interior=[3])
for dtype in ("float32", "int32", "uint32"):
    for shape, dim in (([5], 0), ([2, 3], 0), ([2, 3], 1), ([0], 0)):
        case("iota", lambda d=dtype, s=shape, i=dim: lax.broadcasted_iota(d, s, i), shape=shape, dtype=dtype, dimension=dim)


def along(x, axes):
    """lax's dimension numbers for `axes` indexed and the others kept, behind the axes of the indices."""
    window = tuple(d for d in range(x.ndim) if d not in axes)
    return window, tuple(1 if d in axes else x.shape[d] for d in range(x.ndim))


def gather(x, *indices, axes, mode):
    window, sizes = along(x, axes)
    rank = indices[0].ndim
    dims = lax.GatherDimensionNumbers(offset_dims=tuple(range(rank, rank + len(window))), collapsed_slice_dims=tuple(sorted(axes)), start_index_map=tuple(axes))
    mode = {"clip": lax.GatherScatterMode.CLIP, "fill": lax.GatherScatterMode.FILL_OR_DROP}[mode]
    return lax.gather(x, jnp.stack(indices, -1), dims, sizes, mode=mode)


def scatter(x, updates, *indices, axes, combine):
    window, _ = along(x, axes)
    rank = indices[0].ndim
    dims = lax.ScatterDimensionNumbers(update_window_dims=tuple(range(rank, rank + len(window))), inserted_window_dims=tuple(sorted(axes)), scatter_dims_to_operand_dims=tuple(axes))
    fn = {"set": lax.scatter, "add": lax.scatter_add}[combine]
    return fn(x, jnp.stack(indices, -1), updates, dims, mode=lax.GatherScatterMode.FILL_OR_DROP)


g = normal(3, 4, 2)
for mode in ("clip", "fill"):
    for x in (g, ints(-9, 9, 3, 4, 2), ints(0, 9, 3, 4, 2, dtype=np.uint32), g > 0):
        case("gather", functools.partial(gather, axes=[1], mode=mode), x, i32(0, 3, 1, 4, -1), axes=[1], mode=mode)
    case("gather", functools.partial(gather, axes=[0], mode=mode), g, i32(2, 0, 5, -7).reshape(2, 2), axes=[0], mode=mode)
    case("gather", functools.partial(gather, axes=[0, 2], mode=mode), g, i32(2, 0, 1), i32(0, 1, 2), axes=[0, 2], mode=mode)
    case("gather", functools.partial(gather, axes=[2, 0], mode=mode), g, i32(1, 0, 1), i32(0, 2, 3), axes=[2, 0], mode=mode)
    case("gather", functools.partial(gather, axes=[0], mode=mode), g, np.int32(1), axes=[0], mode=mode)
for combine in ("set", "add"):
    case("scatter", functools.partial(scatter, axes=[0], combine=combine), f32(1, 2, 3, 4), f32(10, 20, 30, 40), i32(2, 0, 4, -1), axes=[0], combine=combine)
    case("scatter", functools.partial(scatter, axes=[1], combine=combine), g, normal(2, 3, 2), i32(3, 1), axes=[1], combine=combine)
    case("scatter", functools.partial(scatter, axes=[0, 2], combine=combine), g, normal(3, 4), i32(2, 0, 1), i32(0, 1, 2), axes=[0, 2], combine=combine)
    case("scatter", functools.partial(scatter, axes=[0], combine=combine), i32(1, 2, 3), np.int32(9), np.int32(1), axes=[0], combine=combine)
case("scatter", functools.partial(scatter, axes=[0], combine="add"), f32(0, 0, 0), f32(1, 2, 3, 4), i32(1, 1, 0, 1), axes=[0], combine="add")

# -- contractions: whole numbers, on which any order of summation agrees, then normals


def dot(x, y, contract, batch):
    case("dotGeneral", lambda x, y: lax.dot_general(x, y, (contract, batch), precision=lax.Precision.HIGHEST), x, y, contract=contract, batch=batch, preferred=None)


for draw in (functools.partial(ints, -9, 9), functools.partial(ints, -9, 9, dtype=np.float32), normal):
    dot(draw(3, 4), draw(4, 5), [[1], [0]], [[], []])
    dot(draw(4, 3), draw(5, 4), [[0], [1]], [[], []])
    dot(draw(2, 3, 4), draw(2, 4, 5), [[2], [1]], [[0], [0]])
    dot(draw(2, 3, 4), draw(5, 4, 2), [[2], [1]], [[0], [2]])
    dot(draw(2, 3, 4, 5), draw(4, 5, 2), [[3, 2], [1, 0]], [[0], [2]])
    dot(draw(2, 3, 2, 4), draw(3, 2, 4, 3), [[3], [2]], [[1, 0], [0, 1]])
    dot(draw(3), draw(3), [[0], [0]], [[], []])
    dot(draw(3), draw(2), [[], []], [[], []])
    dot(draw(3), draw(3, 2), [[], []], [[0], [0]])
    dot(draw(2, 0), draw(0, 3), [[1], [0]], [[], []])
    dot(draw(0, 2), draw(2, 3), [[1], [0]], [[], []])
dot(normal(17, 33), normal(33, 19), [[1], [0]], [[], []])
dot(f32(1, inf, nan, 0).reshape(2, 2), f32(0, 1, 1, 0).reshape(2, 2), [[1], [0]], [[], []])

# -- sort


def sort(*operands, axis, num_keys=1):
    case("sort", lambda *xs: lax.sort(xs, dimension=axis, is_stable=True, num_keys=num_keys), *operands, axis=axis, numKeys=num_keys)


order = np.arange(12, dtype=np.int32)
wild = f32(3, nan, -0.0, 0.0, inf, -1, -inf, 0.0, -0.0, nan, 2, -1)
sort(wild, axis=0)
sort(wild, order, axis=0)
sort(wild.reshape(3, 4), order.reshape(3, 4), axis=0)
sort(wild.reshape(3, 4), order.reshape(3, 4), axis=1)
sort(ints(-3, 3, 12), wild, order, axis=0, num_keys=2)
sort(ints(0, 2, 12), ints(0, 3, 12), order, axis=0, num_keys=2)
sort(ints(0, 2, 2, 9), ints(0, 2, 2, 9), ints(0, 2, 2, 9), axis=1, num_keys=3)
sort(INTS, axis=0)
sort(UINTS, axis=0)
sort(np.array([1, 0, 1, 0, 0], bool), order[:5], axis=0)
sort(normal(3, 0), axis=1)
sort(normal(5, 1), axis=1)
sort(normal(200), np.arange(200, dtype=np.int32), axis=0)

write("primitives.json", {"versions": {"jax": jax.__version__, "numpy": np.__version__}, "cases": cases, "narrow": narrow})
worst = sorted(((c["jaxUlp"], c["op"]) for c in cases if "jaxUlp" in c), reverse=True)
print("JAX's worst errors in ulp:", worst[:24])
