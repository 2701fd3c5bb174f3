"""Trains DMS-Net with each of its parts left out, several seeds each, and prints a table with intervals.

    python3 cluster/recipes/ablation.py --output runs/ablation --seeds 0 1 2 --launch "launch/train 2 1" -- \\
      --data ODIR --config cluster/recipes/odir5k.yaml --pretrained resnet18.safetensors

What stands behind -- are options of train, the same for all runs; the split must not depend on the seed (--split FILE), or intervals
would compare different patients. Runs that were stopped go on, those that are done are not repeated. Every figure is the mean over
seeds; brackets hold its 95% interval by a bootstrap over patients, and so does the difference from the full network, on the same draws.
"""
import argparse
import csv
import pathlib
import shlex
import subprocess
import sys

try:
    import numpy as np
except ImportError as missing:
    sys.exit(f"ablation.py: {missing}")

ROWS = {
    "full": [],
    "without OSIM": ["osim"],
    "without CASFM": ["casfm"],
    "without CCAM": ["ccam"],
    "without CIAM": ["ciam"],
    "without auxiliary losses": ["eyes-loss", "contrast-loss"],
    "without all four": ["osim", "casfm", "ccam", "ciam"],
}


def kappa(y, p):
    d = p > .5
    agreed, a, b = (d == y).mean(), d.mean(), y.mean()
    chance = a * b + (1 - a) * (1 - b)
    return 0 if chance == 1 else (agreed - chance) / (1 - chance)


def auc(y, p):
    values, places, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positives = y.sum()
    negatives = y.size - positives
    return (ranks[y].sum() - positives * (positives + 1) / 2) / (positives * negatives) if positives and negatives else .5


MEASURES = {
    "kappa": lambda y, p: kappa(y.ravel(), p.ravel()),
    "AUC": lambda y, p: auc(y.ravel(), p.ravel()),
    "exact match": lambda y, p: ((p > .5) == y).all(1).mean(),
    "recall": lambda y, p: (p > .5)[y].mean() if y.any() else 0,
}


def predictions(run):
    rows = list(csv.DictReader(open(run / "predictions.csv")))
    labels = [name.removesuffix("_label") for name in rows[0] if name.endswith("_label")]
    y = np.array([[row[f"{k}_label"] == "1" for k in labels] for row in rows])
    return [row["ID"] for row in rows], y, np.array([[float(row[f"{k}_probability"]) for k in labels] for row in rows])


def train(arguments, run, parts, seed):
    # A run that has begun needs no more than its name.
    options = ["--resume"] if (run / "config.yaml").exists() else arguments.options + ["--seed", str(seed)]
    if parts and options != ["--resume"]:
        options += ["--without", *parts]
    subprocess.run(shlex.split(arguments.launch) + ["--output", str(run)] + options, check=True)


parser = argparse.ArgumentParser()
parser.add_argument("--output", required=True, type=pathlib.Path)
parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
parser.add_argument("--launch", default="launch/train 1 2", help="what starts train")
parser.add_argument("--draws", type=int, default=1000)
parser.add_argument("options", nargs="*")
arguments = parser.parse_args()

found = {}
for name, parts in ROWS.items():
    for seed in arguments.seeds:
        run = arguments.output / f"{name.replace(' ', '-')}-{seed}"
        train(arguments, run, parts, seed)
        found[name, seed] = predictions(run)
patients = {tuple(ids) for ids, _, _ in found.values()}
if len(patients) > 1:
    sys.exit("ablation.py: runs validate on different patients; give all of them one --split FILE")
y = found["full", arguments.seeds[0]][1]
answers = {name: [found[name, seed][2] for seed in arguments.seeds] for name in ROWS}
random = np.random.default_rng(0)
draws = [random.integers(0, len(y), len(y)) for _ in range(arguments.draws)]

print("| network | " + " | ".join(f"{m} | difference" for m in MEASURES) + " |")
print("| --- |" + " --- |" * 2 * len(MEASURES))
sampled = {}
for name in ROWS:
    cells = []
    for measure, value in MEASURES.items():
        def mean(draw):
            return np.mean([value(y[draw], p[draw]) for p in answers[name]])
        sampled[name, measure] = np.array([mean(draw) for draw in draws])
        low, high = np.percentile(sampled[name, measure], [2.5, 97.5])
        cells.append(f"{mean(slice(None)):.3f} ({low:.3f} - {high:.3f})")
        low, high = np.percentile(sampled[name, measure] - sampled["full", measure], [2.5, 97.5])
        cells.append("" if name == "full" else f"{low:+.3f} to {high:+.3f}")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
