"""random.json: what jax.random draws with its default generator (threefry, partitionable).

The script isn't called random.py: that would hide the standard library's `random` from every script in this folder.
"""
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from golden import array, number, write

assert jax.config.jax_threefry_partitionable and jax.config.jax_default_prng_impl == "threefry2x32"

SEEDS = [0, 1, 42, -1, 2**31, 123456789]
cases = []
narrow = []  # the same, for dtypes of 8 and 16 bits


def case(fn, seed, args, out):
    (cases if args.get("dtype", "float32")[-2:] == "32" else narrow).append({"fn": fn, "seed": seed, "args": args, "out": array(out)})


def keys(k):
    return np.asarray(jr.key_data(k))


for seed in [*SEEDS, 2**31 - 1, -(2**31), 2**32 - 1]:
    case("key", seed, {}, keys(jr.key(seed)))

for seed in SEEDS:
    k = jr.key(seed)
    for shape in [[2], [5], [2, 3]]:
        case("split", seed, {"shape": shape}, keys(jr.split(k, tuple(shape))))
    for data in [0, 1, 7, 2**31 - 1, 2**32 - 1]:
        case("foldIn", seed, {"data": data}, keys(jr.fold_in(k, data)))
    for dtype, shape in [("uint32", []), ("uint32", [7]), ("uint32", [2, 3]), ("uint8", [9])]:
        case("bits", seed, {"shape": shape, "dtype": dtype}, jr.bits(k, tuple(shape), dtype))
    case("uniform", seed, {"shape": [8]}, jr.uniform(k, (8,)))
    case("uniform", seed, {"shape": [2, 3], "minval": -2.5, "maxval": 7.25}, jr.uniform(k, (2, 3), minval=-2.5, maxval=7.25))
    case("uniform", seed, {"shape": [6], "minval": -0.1, "maxval": 0.3}, jr.uniform(k, (6,), minval=-0.1, maxval=0.3))
    case("normal", seed, {"shape": [9]}, jr.normal(k, (9,)))
    case("normal", seed, {"shape": []}, jr.normal(k, ()))
    case("truncatedNormal", seed, {"shape": [8], "lower": -2.0, "upper": 2.0}, jr.truncated_normal(k, -2.0, 2.0, (8,)))
    case("truncatedNormal", seed, {"shape": [6], "lower": 0.5, "upper": 3.0}, jr.truncated_normal(k, 0.5, 3.0, (6,)))
    for p in [0.5, 0.1]:
        case("bernoulli", seed, {"p": p, "shape": [16]}, jr.bernoulli(k, p, (16,)))
    case("gumbel", seed, {"shape": [8]}, jr.gumbel(k, (8,)))
    for lo, hi, dtype in [(0, 10, "int32"), (-5, 6, "int32"), (0, 2**31 - 1, "int32"), (-(2**31), 2**31 - 1, "int32"), (3, 4, "int32"),
                          (0, 70000, "int32"), (5, 5, "int32"), (0, 1000, "uint32"), (0, 2**32 - 1, "uint32"), (2**31, 2**31 + 7, "uint32")]:
        lo_, hi_ = np.array(lo, dtype), np.array(hi, dtype)
        case("randint", seed, {"shape": [8], "minval": lo, "maxval": hi, "dtype": dtype}, jr.randint(k, (8,), lo_, hi_, dtype))
    for n in [1, 8, 33]:
        case("permutation", seed, {"x": n}, jr.permutation(k, n))

for seed in [0, 42]:
    k = jr.key(seed)
    for dtype in ["float16", "bfloat16"]:
        case("uniform", seed, {"shape": [8], "dtype": dtype}, jr.uniform(k, (8,), dtype))
        case("normal", seed, {"shape": [8], "dtype": dtype}, jr.normal(k, (8,), dtype))
    x = jnp.arange(12, dtype=jnp.float32).reshape(3, 4)
    for axis in [0, 1]:
        case("permutation", seed, {"x": array(x), "axis": axis, "independent": False}, jr.permutation(k, x, axis))
    case("permutation", seed, {"x": array(x), "axis": 1, "independent": True}, jr.permutation(k, x, 1, independent=True))
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.0, 0.5, 0.0, 0.5]], jnp.float32))
    case("categorical", seed, {"logits": array(logits), "axis": -1}, jr.categorical(k, logits))
    case("categorical", seed, {"logits": array(logits), "axis": 0}, jr.categorical(k, logits, axis=0))
    case("categorical", seed, {"logits": array(logits), "axis": -1, "shape": [5, 3]}, jr.categorical(k, logits, shape=(5, 3)))
    p = jnp.array([0.0, 0.25, 0.75, 1.0], jnp.float32)
    case("bernoulli", seed, {"p": array(p), "shape": [3, 4]}, jr.bernoulli(k, p, (3, 4)))
    case("exponential", seed, {"shape": [8]}, jr.exponential(k, (8,)))
    k2 = jr.fold_in(jr.split(k)[1], 3)
    case("chain", seed, {"steps": ["split", 1, "foldIn", 3, "split", 0]}, keys(jr.split(k2)[0]))

# Long draws as counts of a hash, so that counters beyond one block are covered: sum of bits mod 2^32, and xor.
for seed in [0, 42]:
    b = np.asarray(jr.bits(jr.key(seed), (10_000,)))
    case("bitsChecksum", seed, {"shape": [10000], "what": "[sum mod 2^32, xor]"},
         np.array([b.astype(np.uint64).sum() % 2**32, np.bitwise_xor.reduce(b)], np.uint32))

write("random.json", {"versions": {"jax": jax.__version__, "numpy": np.__version__}, "cases": cases, "narrow": narrow})
