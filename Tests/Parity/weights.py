"""Loads a checkpoint's weights into the reference (strict) and compares its logits with dmsnet's on one pair, to 1e-4.

    python weights.py DMSNET CHECKPOINT LEFT RIGHT

The pair must be square pictures without a black surround of the run's own size, which preparation leaves as they are.
"""
import json
import math
import pathlib
import subprocess
import sys

try:
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import load_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

from dms_net import Config, DMSNet

program, folder, *pair = sys.argv[1:]
folder = pathlib.Path(folder)
state = json.loads((folder / "state.json").read_text())
fields = {k: tuple(v) if isinstance(v, list) else v for k, v in state["configuration"].items()}
model = DMSNet(Config(**fields)).eval()
weights = "ema.safetensors" if (folder / "ema.safetensors").exists() else "model.safetensors"
model.load_state_dict(load_file(str(folder / weights)), strict=True)


def load(path):
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
    x = torch.from_numpy((pixels - (.485, .456, .406)) / (.229, .224, .225)).float()
    return x.permute(2, 0, 1)[None]


with torch.no_grad():
    expected = model(*map(load, pair))["logits"][0].tolist()
answer = json.loads(subprocess.run([program, "predict", "--json", "--checkpoint", str(folder), *pair],
                                   check=True, capture_output=True, text=True).stdout)
found = [math.log(p / (1 - p)) for p in answer["probabilities"].values()]
labels = list(answer["probabilities"])
order = [labels.index(k) for k in "NDGCAHMO"] if set(labels) == set("NDGCAHMO") else range(len(labels))
worst = max(abs(found[i] - e) for i, e in zip(order, expected))
print(f"largest difference of logits: {worst:.1e}")
sys.exit(0 if worst < 1e-4 else 1)
