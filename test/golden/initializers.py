"""initializers.json: what JAX's initializers draw, and PyTorch's that draw nothing.

jax: {fn, options, shape, out} from key 42, by the names and options of nn.initializers. torch: {fn, options, shape, out}. gains: {nonlinearity, a, gain}.
"""
import jax
import jax.numpy as jnp
import torch

from golden import array, write

I = jax.nn.initializers
cases, plain = [], []


def drawn(fn, init, shape, **options):
    cases.append({"fn": fn, "options": options, "shape": list(shape), "out": array(init(jax.random.key(42), shape, jnp.float32))})


drawn("uniform", I.uniform(0.3), (5,), maxval=0.3)
drawn("normal", I.normal(0.02), (3, 2), stddev=0.02)
drawn("truncatedNormal", I.truncated_normal(0.5), (3, 2), stddev=0.5)
drawn("truncatedNormal", I.truncated_normal(0.5, lower=-1.0, upper=3.0), (3, 2), stddev=0.5, lower=-1, upper=3)
for name in ("glorot", "xavier", "lecun", "he", "kaiming"):
    for kind in ("uniform", "normal"):
        init = getattr(I, f"{name}_{kind}")
        drawn(name + kind.title(), init(), (3, 5))
        drawn(name + kind.title(), init(), (2, 3, 4))
drawn("heUniform", I.he_uniform(in_axis=1, out_axis=0), (3, 4, 2), inAxis=1, outAxis=0)
drawn("lecunNormal", I.lecun_normal(in_axis=(0, 1), out_axis=-1, batch_axis=2), (2, 3, 2, 2), inAxis=[0, 1], outAxis=-1, batchAxis=2)
for ours, mode in {"fanIn": "fan_in", "fanOut": "fan_out", "fanAvg": "fan_avg", "fanGeoAvg": "fan_geo_avg"}.items():
    for kind, name in {"uniform": "uniform", "normal": "normal", "truncatedNormal": "truncated_normal"}.items():
        drawn("varianceScaling", I.variance_scaling(1.5, mode, name), (3, 4), scale=1.5, mode=ours, distribution=kind)
drawn("orthogonal", I.orthogonal(), (6, 4))
drawn("orthogonal", I.orthogonal(2.0), (3, 5), scale=2)
drawn("orthogonal", I.orthogonal(column_axis=0), (3, 2, 4), columnAxis=0)
drawn("deltaOrthogonal", I.delta_orthogonal(), (3, 2, 4))
drawn("deltaOrthogonal", I.delta_orthogonal(), (2, 3, 2, 2))


def filled(fn, init, shape, **options):
    plain.append({"fn": fn, "options": options, "shape": list(shape), "out": array(init(torch.empty(shape)).numpy())})


filled("eye", torch.nn.init.eye_, (3, 4))
filled("dirac", torch.nn.init.dirac_, (4, 3, 3))
filled("dirac", lambda t: torch.nn.init.dirac_(t, 2), (4, 3, 2, 3), groups=2)
write("initializers.json", {"versions": {"jax": jax.__version__, "torch": torch.__version__}, "jax": cases, "torch": plain})
