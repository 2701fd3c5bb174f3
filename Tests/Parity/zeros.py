"""The share of zeros in what the trunk's convolutions read, which products skip.

    python zeros.py --depth 152
    python zeros.py --depth 50 --weights resnet50.safetensors --images photographs/*.jpg

Prints, for each convolution of a stage's blocks, the mean over blocks and the least and most. Without weights: initial ones, as in
`dmsnet benchmark`; without images: noise. Evaluation, or with --train batch statistics.
"""
import argparse
import sys

try:
    import torch
    from dms_net import BLOCKS, Config, DMSNet
    from PIL import Image
    from safetensors.torch import load_file
except ImportError as error:
    sys.exit(f"zeros.py: skipped: {error}")

p = argparse.ArgumentParser()
p.add_argument("--depth", type=int, default=152, choices=BLOCKS)
p.add_argument("--size", type=int, default=224)
p.add_argument("--weights", help="safetensors with torchvision's names; those that fit are taken")
p.add_argument("--images", nargs="*", default=[])
p.add_argument("--train", action="store_true")
a = p.parse_args()

torch.manual_seed(0)
model = DMSNet(Config.of_depth(a.depth)).train(a.train)
if a.weights:
    state = model.state_dict()
    found = {f"trunk.{k}": v for k, v in load_file(a.weights).items()}
    fitting = {k: v.float() for k, v in found.items() if k in state and state[k].shape == v.shape}
    model.load_state_dict(fitting, strict=False)
    print(f"{len(fitting)} of {len(found)} tensors taken")


def photograph(path):
    image = Image.open(path).convert("RGB").resize((a.size, a.size))
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(a.size, a.size, 3).permute(2, 0, 1)
    mean, deviation = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])
    return (pixels / 255 - mean[:, None, None]) / deviation[:, None, None]


images = torch.stack([photograph(i) for i in a.images]) if a.images else torch.randn(2, 3, a.size, a.size)
shares = {}
for name, module in model.named_modules():
    if isinstance(module, torch.nn.Conv2d) and ".layer" in name:
        _, stage, _, convolution = name.split(".")[:4]
        seen = shares.setdefault(f"{stage} {convolution}", [])
        module.register_forward_pre_hook(lambda _, x, seen=seen: seen.append((x[0] == 0).float().mean().item()))
with torch.no_grad():
    model(images, images)
for name, seen in sorted(shares.items()):
    print(f"{name:20} {sum(seen) / len(seen):.2f} ({min(seen):.2f} - {max(seen):.2f})")
