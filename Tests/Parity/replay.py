"""Repeats the first steps of a run in the reference, on the batches that the run has written, and compares losses step by step.

    dmsnet train ... --dump-batches 10 --optimizer sgd --learning-rate 0.001 --schedule constant --warmup 0 --clip 0 \\
      --dropout 0 --flip 0 --micro-batch BATCH
    python replay.py RUN [FIRST LATER]

The first loss must agree to FIRST (1e-5), later ones to LATER (5e-4). Beside it PyTorch repeats the steps in float64: how far its own
float32 is from that tells what rounding alone does.
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
weights = LossWeights(smoothing=float(options["smoothing"]))
decay = float(options["weight-decay"])


class Trainer:
    """The reference and PyTorch's SGD in one precision."""

    def __init__(self, kind):
        self.kind = kind
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in state["configuration"].items()}
        self.model = DMSNet(Config(**fields)).train()
        self.model.load_state_dict(load_file(str(run / "batches/start.safetensors")), strict=True)
        self.model.to(kind)
        decayed = [p for p in self.model.parameters() if p.ndim >= 2]
        spared = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": decay},
                  {"params": spared, "weight_decay": decay if options["decay-all"] == "true" else 0}]
        self.optimizer = torch.optim.SGD(
            groups, lr=float(options["learning-rate"]), momentum=float(options["momentum"]))

    def step(self, parts):
        """The step's loss, over all its micro-batches."""
        pairs = sum(len(part["labels"]) for part in parts)
        self.optimizer.zero_grad()
        result = 0
        for part in parts:
            part = {k: v.to(self.kind) for k, v in part.items()}
            images, count = part["images"].permute(0, 3, 1, 2), len(part["labels"])
            total, _ = losses(
                self.model(images[:count], images[count:]), part["labels"], part["eye_labels"], weights)
            share = total * count / pairs
            share.backward()
            result += share.item()
        self.optimizer.step()
        return result


lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
found = {line["step"]: line["loss"] for line in lines if "loss" in line}
single, double = Trainer(torch.float32), Trainer(torch.float64)
compared, missed = 0, 0
for step in range(1, int(options["dump-batches"]) + 1):
    names = sorted((run / "batches").glob(f"step-{step}-part-*.safetensors"))
    if not names:
        break
    parts = [load_file(str(name)) for name in names]
    expected, exact = single.step(parts), double.step(parts)
    difference, bar = abs(found[step] - expected), first if step == 1 else later
    print(f"step {step}: dmsnet {found[step]:.7f}, PyTorch {expected:.7f}, difference {difference:.1e}, bar {bar:.0e}; "
          f"from float64: dmsnet {abs(found[step] - exact):.1e}, PyTorch {abs(expected - exact):.1e}", flush=True)
    compared, missed = compared + 1, missed + (difference > bar)
print(f"{compared} steps compared, {missed} beyond their bars")
sys.exit(1 if missed or not compared else 0)
