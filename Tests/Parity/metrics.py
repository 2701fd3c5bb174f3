"""Computes the measures of a run's metrics.json anew from its predictions.csv with scikit-learn, to 1e-9.

    python metrics.py RUN
"""
import csv
import json
import pathlib
import sys

try:
    import numpy as np
    from sklearn import metrics as sk
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

run = pathlib.Path(sys.argv[1])
found = json.loads((run / "metrics.json").read_text())
rows = list(csv.DictReader(open(run / "predictions.csv")))
labels = [name.removesuffix("_label") for name in rows[0] if name.endswith("_label")]
y = np.array([[int(r[f"{k}_label"]) for k in labels] for r in rows])
p = np.array([[float(r[f"{k}_probability"]) for k in labels] for r in rows])
d = (p > .5).astype(int)
flat, decided, scores = y.ravel(), d.ravel(), p.ravel()
both = [k for k in range(len(labels)) if 0 < y[:, k].sum() < len(y)]
zero = {"zero_division": 0}
expected = {
    "kappa": sk.cohen_kappa_score(flat, decided),
    "f1": sk.f1_score(flat, decided, average="micro"),
    "auc": sk.roc_auc_score(flat, scores),
    "f1_positive": sk.f1_score(flat, decided, **zero),
    "accuracy": sk.accuracy_score(flat, decided),
    "exact_match": sk.accuracy_score(y, d),
    "recall": sk.recall_score(flat, decided, **zero),
    "precision": sk.precision_score(flat, decided, **zero),
    "specificity": sk.recall_score(1 - flat, 1 - decided, **zero),
    "recall_macro": sk.recall_score(y, d, average="macro", **zero),
    "precision_macro": sk.precision_score(y, d, average="macro", **zero),
    "f1_macro": sk.f1_score(y, d, average="macro", **zero),
    "auc_macro": np.mean([sk.roc_auc_score(y[:, k], p[:, k]) for k in both]),
    "average_precision_macro": np.mean([sk.average_precision_score(y[:, k], p[:, k])
                                        for k in range(len(labels)) if y[:, k].any()]),
}
expected["final"] = (expected["kappa"] + expected["f1"] + expected["auc"]) / 3
wrong = {k: (found[k], v) for k, v in expected.items() if abs(found[k] - v) > 1e-9}
for k, name in enumerate(labels):
    each = {"recall": sk.recall_score(y[:, k], d[:, k], **zero), "support": y[:, k].sum(),
            "precision": sk.precision_score(y[:, k], d[:, k], **zero), "f1": sk.f1_score(y[:, k], d[:, k], **zero)}
    if k in both:
        each["auc"] = sk.roc_auc_score(y[:, k], p[:, k])
    wrong |= {f"{name}.{m}": (found["labels"][name][m], v) for m, v in each.items() if abs(found["labels"][name][m] - v) > 1e-9}
one = y.sum(1) == 1
if one.any():
    truth, choice = y[one].argmax(1), p[one].argmax(1)
    single = {"accuracy": sk.accuracy_score(truth, choice), "kappa": sk.cohen_kappa_score(truth, choice),
              "kappa_quadratic": sk.cohen_kappa_score(truth, choice, weights="quadratic"),
              "recall_macro": sk.recall_score(truth, choice, average="macro", **zero)}
    for m, v in single.items():
        have = found["single_label"][m]
        if (have is None) != bool(np.isnan(v)) or (have is not None and abs(have - v) > 1e-9):
            wrong[f"single_label.{m}"] = (have, v)
for name, (have, want) in wrong.items():
    print(f"{name}: {have}, scikit-learn says {want}")
print(f"{len(expected)} measures and {len(labels)} labels compared, {len(wrong)} differ")
sys.exit(1 if wrong else 0)
