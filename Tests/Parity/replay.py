"""Repeats the first steps of a run in the reference, on the batches that the run has written, and compares losses step by step.

    dmsnet train ... --dump-batches 10 --optimizer sgd --learning-rate 0.001 --schedule constant --warmup 0 --clip 0 \\
      --dropout 0 --flip 0 --micro-batch BATCH
    python replay.py RUN [FIRST LATER]

The first loss must agree to FIRST (1e-5), later ones to LATER (5e-4).
"""
import json
import pathlib
import sys

try:
    import torch
    from safetensors.torch import load_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

from dms_net import Config, DMSNet, LossWeights, losses

run = pathlib.Path(sys.argv[1])
first, later = [float(x) for x in sys.argv[2:4]] if len(sys.argv) > 3 else [1e-5, 5e-4]
state = json.loads((run / "checkpoints/last/state.json").read_text())
options = {k: v[0] if len(v) == 1 else v for k, v in state["options"].items()}
for name, wanted in {"optimizer": "sgd", "schedule": "constant", "warmup": "0", "clip": "0.0", "dropout": "0.0"}.items():
    assert options[name] == wanted, f"--{name} is {options[name]}, expected {wanted}"
model = DMSNet(Config(**{k: tuple(v) if isinstance(v, list) else v for k, v in state["configuration"].items()})).train()
model.load_state_dict(load_file(str(run / "batches/start.safetensors")), strict=True)
weights = LossWeights(smoothing=float(options["smoothing"]))
decay = float(options["weight-decay"])
spared = [p for p in model.parameters() if p.ndim < 2]
groups = [{"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
          {"params": spared, "weight_decay": decay if options["decay-all"] == "true" else 0}]
optimizer = torch.optim.SGD(groups, lr=float(options["learning-rate"]), momentum=float(options["momentum"]))
lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
found = {line["step"]: line["loss"] for line in lines if "loss" in line}
compared, missed = 0, 0
for step in range(1, int(options["dump-batches"]) + 1):
    names = sorted((run / "batches").glob(f"step-{step}-part-*.safetensors"))
    if not names:
        break
    parts = [load_file(str(name)) for name in names]
    pairs = sum(len(part["labels"]) for part in parts)
    optimizer.zero_grad()
    expected = 0
    for part in parts:
        images = part["images"].permute(0, 3, 1, 2)
        count = len(part["labels"])
        total, _ = losses(model(images[:count], images[count:]), part["labels"], part["eye_labels"], weights)
        share = total * count / pairs
        share.backward()
        expected += share.item()
    optimizer.step()
    difference, bar = abs(found[step] - expected), first if step == 1 else later
    print(f"step {step}: dmsnet {found[step]:.7f}, PyTorch {expected:.7f}, difference {difference:.1e}, bar {bar:.0e}")
    compared, missed = compared + 1, missed + (difference > bar)
print(f"{compared} steps compared, {missed} beyond their bars")
sys.exit(1 if missed or not compared else 0)
