#!/usr/bin/env bash
# Times dmsnet and PyTorch in turn on the same cores, each run a process of its own; prints every pair and the median ratio.
#
#   Tests/Parity/against_pytorch.sh RUNS CORES DEPTH SIZE PAIRS [--forward-only]
#
# CORES is a list for taskset: 0 or 0,1. PYTHON names an interpreter that has torch. PyTorch runs with the allocator's settings
# that were found to be its best. STEPS (3) are counted after one that is not.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '4,8p' "$0" >&2; exit 64; }
runs=$1 cores=$2 depth=$3 size=$4 batch=$5 forward=${6:-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
"$python" -c 'import torch' 2>/dev/null || { echo "skipped: $python has no torch" >&2; exit 0; }
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
threads=$(tr -cd , <<<"$cores" | wc -c)
shape=(--depth "$depth" --size "$size" --batch "$batch" --threads $((threads + 1)) --steps "${STEPS:-3}" --warmup 1)
json=$(mktemp) lines=$(mktemp)
trap 'rm -f "$json" "$lines"' EXIT
number() { sed -nE "s/.*\"$1\" ?: ?([0-9.]+).*/\1/p"; }
for _ in $(seq "$runs"); do
  peer=$(cd "$here" && MALLOC_MMAP_THRESHOLD_=17179869184 MALLOC_TRIM_THRESHOLD_=17179869184 \
    MALLOC_TOP_PAD_=67108864 GLIBC_TUNABLES=glibc.malloc.hugetlb=1 \
    taskset -c "$cores" "$python" ddp_baseline.py --format channels_last "${shape[@]}" $forward)
  taskset -c "$cores" "$here/../../.build/release/dmsnet" benchmark "$([ -n "$forward" ] && echo inference || echo step)" \
    "${shape[@]}" --json "$json" >/dev/null 2>&1
  echo "$(number seconds <<<"$peer") $(number peak_rss_mib <<<"$peer") $(sed -nE 's/^  "seconds" : ([0-9.]+).*/\1/p' "$json") $(sed -nE 's/^  "peak_rss_mib" : ([0-9]+).*/\1/p' "$json")"
done | awk '{ printf "PyTorch %.4f s (%d MiB), dmsnet %.4f s (%d MiB): %.3f times as fast, %.2f of the memory\n", $1, $2, $3, $4,
  $1 / $3, $4 / $2 }' | tee "$lines"
sed -E 's/.*: ([0-9.]+) times.*/\1/' "$lines" | sort -n |
  awk '{ r[NR] = $1 } END { printf "median %.3f, least %.3f, most %.3f\n", r[int((NR + 1) / 2)], r[1], r[NR] }'
