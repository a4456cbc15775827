"""What overhead.js measures, in JAX: python3 overhead.py, with jax installed."""
import statistics, time
import jax, jax.numpy as jnp

def median(f, per=1):
    for _ in range(20): f()
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < 1.5 or len(times) < 30:
        t = time.perf_counter(); f(); times.append((time.perf_counter() - t) * 1e6 / per)
    return statistics.median(times)

def chain(n):
    def f(x):
        for _ in range(n): x = jnp.sin(x * 1.5)
        return jnp.sum(x)
    return f

x = jnp.ones(8)
n = 500
count = lambda f: len(jax.make_jaxpr(f)(x).eqns)
def fresh(make):
    """A new function each time, so that nothing is remembered."""
    return lambda: jax.make_jaxpr(make())(x)
forward, both = count(chain(n)), count(jax.grad(chain(n)))
params = [jnp.ones(4) for _ in range(48)]
add = jax.jit(lambda ps: [p + 1 for p in ps])
jax.block_until_ready(add(params))
print(f"jax {jax.__version__}")
print(f"trace, µs an equation: {median(fresh(lambda: chain(n)), forward):.3g}")
print(f"grad, µs an equation of its result: {median(fresh(lambda: jax.grad(chain(n))), both):.3g}")
print(f"grad, µs an equation of the function: {median(fresh(lambda: jax.grad(chain(n))), forward):.3g}")
print(f"jitted call of 48 leaves, µs: {median(lambda: jax.block_until_ready(add(params))):.3g}")

def layer(p, h):
    def norm(y): return (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-5)
    a = norm(h)
    heads = lambda w: jnp.transpose(jnp.reshape(a @ w, (-1, 4, 16)), (1, 0, 2))
    q, k, v = heads(p["q"]), heads(p["k"]), heads(p["v"])
    scores = q @ jnp.transpose(k, (0, 2, 1)) * 0.25
    e = jnp.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    b = h + jnp.reshape(jnp.transpose(weights @ v, (1, 0, 2)), (-1, 64)) @ p["o"]
    up = norm(b) @ p["up"]
    return b + (up * (1 / (1 + jnp.exp(-up)))) @ p["down"]

sq = lambda: jnp.ones((64, 64))
blocks = [dict(q=sq(), k=sq(), v=sq(), o=sq(), up=jnp.ones((64, 256)), down=jnp.ones((256, 64))) for _ in range(12)]
h = jnp.ones((32, 64))
def make_step():
    def loss(ps, h):
        for p in ps: h = layer(p, h)
        return jnp.mean(h**2)
    def step(ps, h):
        value, grads = jax.value_and_grad(loss)(ps, h)
        return value, jax.tree.map(lambda p, g: p - g * 0.01, ps, grads)
    return step
print(f"12 layers unrolled, trace and transform, ms: {median(lambda: jax.make_jaxpr(make_step())(blocks, h)) / 1000:.3g}")
print(f"12 layers unrolled, equations: {len(jax.make_jaxpr(make_step())(blocks, h).eqns)}")
