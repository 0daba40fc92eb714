"""What the generators share: f64 everywhere, and files that come out the same on every run."""

import contextlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

HERE = Path(__file__).parent
LIMIT = 200_000  # bytes
torch.set_num_threads(1)  # the order of sums, and so the last bit, depends on it


@contextlib.contextmanager
def double_precision():
    """Inside, diffusers' hard-coded float32 means float64: its own functions fill f64 tables."""
    torch_single, numpy_single, default = torch.float32, np.float32, torch.get_default_dtype()
    torch.float32, np.float32 = torch.float64, np.float64
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, np.float32 = torch_single, numpy_single
        torch.set_default_dtype(default)


def uniform(name, count):
    """`count` numbers in [-1, 1) from splitmix64, started at the FNV-1a hash of `name`: weights that need not be kept."""
    mask = (1 << 64) - 1
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & mask
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


def plain(value):
    """Tensors and arrays as nested lists; floats keep all 17 digits."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        assert str(value.dtype) != "float32", "a golden number went through f32"
        return value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def dump(value, depth, pad=""):
    """JSON with one line for each entry down to `depth`: small files whose diffs can be read."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, allow_nan=False)
    inner = pad + " "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(k)}: {dump(v, depth - 1, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{pad}}}"
    rows = [inner + dump(v, depth - 1, inner) for v in value]
    return "[\n" + ",\n".join(rows) + f"\n{pad}]"


def write_json(name, value, depth=2):
    path = HERE / name
    path.write_text(dump(plain(value), depth) + "\n")
    report(path)


def write_tensors(name, tensors):
    path = HERE / name
    arrays = {k: v.detach().numpy() if isinstance(v, torch.Tensor) else v for k, v in tensors.items()}
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    report(path)


def report(path):
    size = path.stat().st_size
    assert size <= LIMIT, f"{path.name} is {size} bytes, more than {LIMIT}"
    print(f"{path.name}: {size} bytes")
