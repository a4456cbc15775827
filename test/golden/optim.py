"""optim.json: Optax's updates at every float dtype, the dtypes where gradients and parameters differ, and schedules at their edges.

updates: {fn, config, params, grads, updates}: three steps at one dtype (float64 with x64). dtypes: {fn, grads, params, updates}: names.
schedules: {fn, config, steps, values}, in float64; values is null where Optax refuses.
"""
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax

from golden import array, write

warnings.simplefilter("ignore")
jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(7)
PARAMS = rng.standard_normal(4)
GRADS = [rng.standard_normal(4) * s for s in (1.0, 0.25, 3.0)]

OPTIMIZERS = {
    "sgd": (optax.sgd(0.1), {"lr": 0.1}),
    "momentum": (optax.sgd(0.1, 0.9), {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (optax.sgd(0.1, 0.9, True), {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": (optax.adam(0.1), {"lr": 0.1}),
    "nadam": (optax.nadam(0.1), {"lr": 0.1, "nesterov": True}),
    "adamw": (optax.adamw(0.1, weight_decay=0.1), {"lr": 0.1, "weightDecay": 0.1}),
    "lion": (optax.lion(0.1), {"lr": 0.1}),
    "rmsprop": (optax.rmsprop(0.1), {"lr": 0.1}),
    "adagrad": (optax.adagrad(0.1, 0.125), {"lr": 0.1, "initialAccumulator": 0.125}),
    "clip": (optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)), {"lr": 0.1}),
    "scale": (optax.chain(optax.scale(0.5), optax.sgd(0.1, 0.9)), {"lr": 0.1, "momentum": 0.9}),
}

updates = []
for name, (tx, config) in OPTIMIZERS.items():
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        params = jnp.asarray(PARAMS, dtype)
        grads = [jnp.asarray(g, dtype) for g in GRADS]
        state, out = tx.init(params), []
        for g in grads:
            u, state = tx.update(g, state, params)
            assert u.dtype == dtype, (name, dtype, u.dtype)
            out.append(array(u))
        updates.append({"fn": name, "config": config, "params": array(params), "grads": [array(g) for g in grads], "updates": out})

dtypes = []
for name, (tx, config) in OPTIMIZERS.items():
    for g, p in (("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "bfloat16")):
        u, _ = tx.update(jnp.ones(2, g), tx.init(jnp.ones(2, p)), jnp.ones(2, p))
        dtypes.append({"fn": name, "grads": g, "params": p, "updates": u.dtype.name})

STEPS = [0, 1, 4, 5, 6, 10, 11, 1000]
schedules = []


def schedule(fn, make, **config):
    try:
        values = array(np.array([make()(np.float64(s)) for s in STEPS], np.float64))
    except ValueError:
        values = None
    schedules.append({"fn": fn, "config": config, "steps": STEPS, "values": values})


schedule("constant", lambda: optax.constant_schedule(0.3), value=0.3)
for steps, begin in ((5, 0), (5, 5), (0, 0), (0, 5), (-1, 0), (1, 0), (5, -3)):
    schedule("linear", lambda: optax.linear_schedule(1.0, 0.1, steps, begin), **{"from": 1.0, "to": 0.1, "steps": steps, "begin": begin})
for steps in (10, 1, 0, -1):
    schedule("cosineDecay", lambda: optax.cosine_decay_schedule(1.0, steps, 0.25), init=1.0, steps=steps, end=0.25)
for warmup, steps in ((5, 10), (0, 5), (4, 5), (5, 5), (6, 5), (0, 0), (-1, 5)):
    schedule("warmupCosineDecay", lambda: optax.warmup_cosine_decay_schedule(0.1, 1.0, warmup, steps, 0.25), init=0.1, peak=1.0, warmup=warmup, steps=steps, end=0.25)
for rate, steps, stairs in ((0.5, 5, False), (0.5, 5, True), (1.0, 5, False), (1.01, 5, False), (0.0, 5, False), (0.5, 0, False), (0.5, -1, True), (0.0, 0, True)):
    schedule("exponentialDecay", lambda: optax.exponential_decay(1.0, steps, rate, staircase=stairs), init=1.0, rate=rate, steps=steps, staircase=stairs)

versions = {"jax": jax.__version__, "numpy": np.__version__, "optax": optax.__version__}
write("optim.json", {"versions": versions, "updates": updates, "dtypes": dtypes, "schedules": schedules})
