#!/usr/bin/env bash
#PBS -N dmsnet
#PBS -l select=4:ncpus=32:mpiprocs=2:ompthreads=16
#PBS -l walltime=24:00:00
set -uo pipefail
cd "$PBS_O_WORKDIR"
data=$HOME/odir                  # <- data
output=$HOME/dmsnet-run          # <- run
threads=16                       # <- threads a rank

resume=()
[ -e "$output/config.yaml" ] && resume=(--resume)
exec mpirun --hostfile "$PBS_NODEFILE" --map-by "slot:PE=$threads" --bind-to core -x OPENBLAS_NUM_THREADS=1 \
  .build/release/dmsnet train --data "$data" --output "$output" --depth 50 --size 224 --batch 64 --threads "$threads" \
  --checkpoint-every 200 "${resume[@]}"
