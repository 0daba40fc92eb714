"""A small state dict in the two forms that torch.save has written, and one with a tensor that is a view."""

import torch

from common import HERE, report


def main():
    torch.manual_seed(0)
    base = torch.randn(4, 3)
    state = {"layer.weight": base, "layer.bias": torch.arange(4.0), "steps": torch.tensor(7)}
    for name, zipped in [("checkpoint-zip.pth", True), ("checkpoint-legacy.pth", False)]:
        torch.save(state, HERE / name, _use_new_zipfile_serialization=zipped)
        report(HERE / name)
    transposed = {**state, "layer.weight": base.T}
    torch.save(transposed, HERE / "checkpoint-turned.pth")
    report(HERE / "checkpoint-turned.pth")
    print(base.double().tolist())


if __name__ == "__main__":
    main()
