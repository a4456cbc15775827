"""How golden values are written: one JSON file a script, one case a line, floats with enough digits to give the same bits back."""
import json
import math
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def number(v, dtype):
    """A JSON number; NaN and the infinities as strings, bools as 0 and 1, -0.0 keeps its sign."""
    if dtype in ("bool", "int8", "uint8", "int32", "uint32"):
        return int(v)
    f = float(v)
    if math.isnan(f):
        return "NaN"
    if math.isinf(f):
        return "Infinity" if f > 0 else "-Infinity"
    if dtype == "float32" and not (f.is_integer() and abs(f) < 2**53):
        f = float(str(np.float32(v)))  # the shortest decimal whose float32 is v
        assert np.float32(f) == np.float32(v), v
    return f


def array(x):
    """{dtype, shape, data}: data is flat and row-major."""
    x = np.asarray(x)
    dtype = x.dtype.name
    assert dtype in ("bool", "int8", "uint8", "int32", "uint32", "float16", "bfloat16", "float32", "float64"), dtype
    return {"dtype": dtype, "shape": list(x.shape), "data": [number(v, dtype) for v in x.ravel()]}

def dump(v):
    return json.dumps(v, allow_nan=False, separators=(",", ":"))


def write(name, doc):
    """Objects and lists of the first two levels break into lines; everything below stands on one."""
    parts = []
    for key, v in doc.items():
        if isinstance(v, list) and v and isinstance(v[0], dict):
            body = "[\n" + ",\n".join(dump(c) for c in v) + "\n]"
        else:
            body = dump(v)
        parts.append(json.dumps(key) + ": " + body)
    path = HERE / name
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    counts = ", ".join(f"{k} {len(v)}" for k, v in doc.items() if isinstance(v, list))
    print(f"{name}: {path.stat().st_size / 1024:.0f} KiB; {counts}")
