#!/usr/bin/env bash
#FLUX: --nodes=4
#FLUX: --exclusive
#FLUX: --time-limit=24h
#FLUX: --signal=SIGUSR1@120s
set -uo pipefail
data=$HOME/odir                  # <- data
output=$HOME/dmsnet-run          # <- run
ranks=8 threads=16               # <- ranks in all, threads of each
restarts=${RESTARTS:-50}         # <- most times this job may start again

isAsked=
resume=()
[ -e "$output/config.yaml" ] && resume=(--resume)
export OPENBLAS_NUM_THREADS=1
trap 'kill -USR1 "$launcher"' USR1
trap 'isAsked=1; kill -USR1 "$launcher"' TERM
flux run -n "$ranks" -c "$threads" -o cpu-affinity=per-task .build/release/dmsnet train --data "$data" --output "$output" \
  --depth 50 --size 224 --batch 128 --threads "$threads" --checkpoint-every 200 "${resume[@]}" &
launcher=$!
until wait "$launcher"; status=$?; ! kill -0 "$launcher" 2>/dev/null; do :; done
standing=$(.build/release/dmsnet status --output "$output" 2>/dev/null)
if [ "$standing" = resumable ] && [ -z "$isAsked" ] && [ "$restarts" -gt 0 ]; then
  flux batch --env=RESTARTS=$((restarts - 1)) cluster/flux/train.flux
fi
exit "$status"
