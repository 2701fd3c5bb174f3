"""Two ranks of one thread, dmsnet beside PyTorch DDP with gloo, in turn: python3 against_ddp.py RUNS DEPTH SIZE PAIRS

PAIRS a rank. Prints pairs/s of each run over both ranks, the paired ratios' median, least and most, and dmsnet's seconds by share.
Needs torch in this interpreter, mpirun and the built program; draws its own data set.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

if len(sys.argv) != 5:
    sys.exit(__doc__)
try:
    import torch  # noqa: F401
except ImportError:
    sys.exit("skipped: this Python has no torch")
runs, depth, size, pairs = (int(a) for a in sys.argv[1:])
steps, warmup, ranks = 5, 2, 2
here = pathlib.Path(__file__).resolve().parent
program = here.parent.parent / ".build/release/dmsnet"
folder = tempfile.TemporaryDirectory()
data = f"{folder.name}/data"
batch = ranks * pairs
subprocess.run([program, "synthesize", "--output", data, "--patients", str(batch * (steps + warmup)), "--size", "160",
                "--format", "csv"], check=True, stderr=subprocess.DEVNULL)


def dmsnet(number):
    output = f"{folder.name}/run-{number}"
    launcher = ["mpirun", "-q", "--bind-to", "core", "--map-by", "core", "-np", str(ranks), "-x", "OPENBLAS_NUM_THREADS=1"]
    if os.getuid() == 0:
        launcher.append("--allow-run-as-root")
    subprocess.run(
        launcher + [program, "train", "--data", data, "--output", output, "--depth", str(depth), "--size", str(size),
                    "--batch", str(batch), "--micro-batch", str(pairs), "--optimizer", "sgd", "--validation", "0",
                    "--epochs", "1"], check=True, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(f"{output}/metrics.jsonl")][warmup:]
    shares = {k: round(statistics.median(x["seconds_by_share"][k] for x in lines), 4) for k in lines[0]["seconds_by_share"]}
    return batch / statistics.median(x["seconds"] for x in lines), shares


def ddp():
    # The settings that ddp_baseline.py found best.
    environment = dict(
        os.environ, OMP_NUM_THREADS="1", MALLOC_MMAP_THRESHOLD_="17179869184", MALLOC_TRIM_THRESHOLD_="17179869184",
        MALLOC_TOP_PAD_="67108864", GLIBC_TUNABLES="glibc.malloc.hugetlb=1")
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), here / "ddp_baseline.py",
         "--depth", str(depth), "--size", str(size), "--batch", str(pairs), "--threads", "1", "--steps", str(steps),
         "--warmup", str(warmup)], check=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return next(json.loads(line) for line in result.stdout.splitlines() if line.startswith("{"))["pairs_per_second"]


ratios = []
for number in range(runs):
    theirs = ddp()
    ours, shares = dmsnet(number)
    ratios.append(ours / theirs)
    print(f"DDP {theirs:.2f} pairs/s, dmsnet {ours:.2f}, ratio {ratios[-1]:.2f}; {shares}", flush=True)
print(f"median {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})")
