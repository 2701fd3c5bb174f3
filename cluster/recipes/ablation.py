"""Trains DMS-Net with each of its parts left out, several seeds each, and prints a table with intervals.

    python3 cluster/recipes/ablation.py --output runs/ablation --seeds 0 1 2 --launch "launch/train 2 1" -- \\
      --data ODIR --config cluster/recipes/odir5k.yaml --pretrained resnet18.safetensors

What stands behind -- are options of train, the same for all runs; the split must not depend on the seed (--split FILE), or intervals
would compare different patients. Runs that were stopped go on, those that are done are not repeated. Every figure is the mean over
seeds; brackets hold its 95% interval by a bootstrap over patients, and so does the difference from the full network, on the same draws.
"""
import argparse
import pathlib
import shlex
import subprocess

import paired

ROWS = {
    "full": [],
    "without OSIM": ["osim"],
    "without CASFM": ["casfm"],
    "without CCAM": ["ccam"],
    "without CIAM": ["ciam"],
    "without auxiliary losses": ["eyes-loss", "contrast-loss"],
    "without all four": ["osim", "casfm", "ccam", "ciam"],
}


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

groups = {name: [] for name in ROWS}
for name, parts in ROWS.items():
    for seed in arguments.seeds:
        run = arguments.output / f"{name.replace(' ', '-')}-{seed}"
        train(arguments, run, parts, seed)
        groups[name].append(run)
paired.table(groups, arguments.draws)
