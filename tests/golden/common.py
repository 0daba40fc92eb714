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
