"""Compares two groups of runs on the same validation patients, with intervals by a paired bootstrap over patients.

    python3 cluster/recipes/paired.py runs/plain-0 runs/plain-1 -- runs/better-0 runs/better-1

A run is its folder, or a predictions.csv. Figures are means over a group's runs; brackets hold 95% intervals, and so does the
difference of the second group from the first, on the same draws of patients.
"""
import csv
import pathlib
import sys

try:
    import numpy as np
except ImportError as missing:
    sys.exit(f"{sys.argv[0]}: {missing}")


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
    """Patients' IDs, truths [N,K] and probabilities [N,K] of a run's folder or file."""
    path = pathlib.Path(run)
    rows = list(csv.DictReader(open(path / "predictions.csv" if path.is_dir() else path)))
    labels = [name.removesuffix("_label") for name in rows[0] if name.endswith("_label")]
    y = np.array([[row[f"{k}_label"] == "1" for k in labels] for row in rows])
    return [row["ID"] for row in rows], y, np.array([[float(row[f"{k}_probability"]) for k in labels] for row in rows])


def table(groups, draws=1000, seed=0):
    """Prints a row a group, {name: [run, ...]}; differences are from the first."""
    found = {name: [predictions(run) for run in runs] for name, runs in groups.items()}
    every = [one for runs in found.values() for one in runs]
    if len({tuple(ids) for ids, _, _ in every}) > 1:
        sys.exit(f"{sys.argv[0]}: runs validate on different patients; give all of them one --split FILE")
    y = every[0][1]
    random = np.random.default_rng(seed)
    drawn = [random.integers(0, len(y), len(y)) for _ in range(draws)]
    first = next(iter(groups))
    print("| runs | " + " | ".join(f"{m} | difference" for m in MEASURES) + " |")
    print("| --- |" + " --- |" * 2 * len(MEASURES))
    sampled = {}
    for name in groups:
        cells = []
        for measure, value in MEASURES.items():
            def mean(draw):
                return np.mean([value(y[draw], p[draw]) for _, _, p in found[name]])
            sampled[name, measure] = np.array([mean(draw) for draw in drawn])
            low, high = np.percentile(sampled[name, measure], [2.5, 97.5])
            cells.append(f"{mean(slice(None)):.3f} ({low:.3f} - {high:.3f})")
            low, high = np.percentile(sampled[name, measure] - sampled[first, measure], [2.5, 97.5])
            cells.append("" if name == first else f"{low:+.3f} to {high:+.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if "--" not in sys.argv or sys.argv[1] == "--" or sys.argv[-1] == "--":
        sys.exit(__doc__)
    middle = sys.argv.index("--")
    table({"first": sys.argv[1:middle], "second": sys.argv[middle + 1:]})
