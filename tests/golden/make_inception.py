"""Features of pytorch-fid's Inception network with weights made by a formula, so that none need to be kept.

Every number is u(i) in [-1, 1) from splitmix64 of a counter that starts at the FNV-1a hash of the tensor's name. The
published weights are not needed: what is compared is the architecture and the preprocessing.
"""

import numpy as np
import torch
from pytorch_fid import inception

from common import uniform, write_tensors

def fill(name, shape):
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("running_var"):
        return 1.5 + u / 2
    if name.endswith("bn.weight"):
        return 1 + u / 5
    if len(shape) < 2:
        return u / 50
    return u * np.sqrt(6 / np.prod(shape[1:]))


def main():
    inception.load_state_dict_from_url = lambda url, progress: {}  # no download
    load, torch.nn.Module.load_state_dict = torch.nn.Module.load_state_dict, lambda *_: None
    net = inception.fid_inception_v3()
    torch.nn.Module.load_state_dict = load
    state = {}
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(fill(name, tuple(tensor.shape))).float()
    net.load_state_dict(state, strict=False)
    inception.fid_inception_v3 = lambda: net
    model = inception.InceptionV3([3]).eval()
    # squares of 32, 16, 8 and 4 pixels, so that the images differ in what the network still sees at its end
    sides = np.repeat([32, 16, 8, 4], 2)
    noise = ((uniform("pixels", 8 * 3 * 32 * 32) + 1) * 128).astype(np.uint8).reshape(8, 3, 32, 32)
    pixels = np.stack([x[:, ::s, ::s].repeat(s, 1).repeat(s, 2) for x, s in zip(noise, sides)])
    with torch.no_grad():
        features = model(torch.from_numpy(pixels).float() / 255)[0][:, :, 0, 0]
        logits = features @ net.fc.weight.T
    write_tensors("inception.safetensors", {"features": features, "logits": logits[:2]})
    print("features:", features.mean().item(), features.std().item(), features.std(0).mean().item())


if __name__ == "__main__":
    main()
