# What all trials share; each sources it first. A trial ends with 0, with 1 and a line that says what was not as expected, or with 77
# where this machine cannot do it.
set -uo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
dmsnet=${DMSNET_PROGRAM:-$root/.build/release/dmsnet}
# Seen by all hosts under one path, so not in /tmp, which each has for itself.
place=$(mktemp -d /var/tmp/dmsXXXXXX)
chmod 755 "$place"
# By which this trial's processes are known.
export TRIAL=$place
data=$place/data
# Quick, and enough to be stopped in: steps of two micro-batches.
network=(--data "$data" --depth 18 --stem 8 --width 32 --embedding 16 --size 64 --batch 8 --micro-batch 2 --warmup 4 --seed 3)

end() {
  local status=$?
  for thing in "${ends[@]}"; do "$thing" >/dev/null 2>&1; done
  # What a trial that failed left behind.
  unset TRIAL
  grep -lsxz "TRIAL=$place" /proc/[0-9]*/environ | cut -d/ -f3 | xargs -r kill -KILL 2>/dev/null
  rm -rf "$place"
  exit "$status"
}
ends=()
trap end EXIT
trap 'exit 1' INT TERM

skip() {
  echo "skipped: $*"
  exit 77
}

fail() {
  echo "failed: $*"
  exit 1
}

# Draws the data, and trains on this machine alone what all others are to come to: local EPOCHS.
local_run() {
  [ -x "$dmsnet" ] || skip "$dmsnet is not built"
  "$dmsnet" synthesize --output "$data" --patients 48 --seed 1 --size 96 --format csv >/dev/null 2>&1 || fail "synthesize"
  "$dmsnet" train "${network[@]}" --output "$place/local" --epochs "$1" >/dev/null 2>&1 || fail "local run"
}

weights() { sha256sum "$1/checkpoints/last/model.safetensors" | head -c 64; }

# The run in a folder has come to the local run's weights.
same() { [ "$(weights "$1")" = "$(weights "$place/local")" ] || fail "$2: other weights than on one machine"; }

steps() { cat "$1/metrics.jsonl" 2>/dev/null | grep -c '"loss"' || true; }

# Waits until a run has told that many steps: wait_steps RUN STEPS [SECONDS].
wait_steps() {
  local count
  for _ in $(seq $((${3:-90} * 10))); do
    count=$(steps "$1")
    [ "${count:-0}" -ge "$2" ] && return
    sleep 0.1
  done
  fail "no step $2 of $1"
}

# The processes that train into a folder, on whatever host.
ranks_of() {
  pgrep -x dmsnet | while read -r process; do
    grep -qsxz train "/proc/$process/cmdline" && grep -qsxzF "$1" "/proc/$process/cmdline" && echo "$process"
  done
}

# The process of a rank: rank_of RUN RANK.
rank_of() {
  ranks_of "$1" | while read -r process; do
    grep -qsxzE "(OMPI_COMM_WORLD|PMI)_RANK=$2" "/proc/$process/environ" && echo "$process"
  done
}

# The job $job, to which something happened now, names what has that many seconds, and is over 10 seconds later with CODE; nothing of
# it is left then, or so many seconds later: ends_with CODE SECONDS LOG PATTERN [SECONDS].
ends_with() {
  local begun=${EPOCHREALTIME/./} named= status left is_over=
  since() { echo $(((${EPOCHREALTIME/./} - begun) / 100000)); }
  while [ -z "$is_over" ]; do
    kill -0 "$job" 2>/dev/null || is_over=1
    [ -n "$named" ] || ! grep -q "^dmsnet: error: " "$3" || named=$(since)
    [ "$(since)" -le $(($2 * 10 + 100)) ] || fail "not over after $(since) tenths of a second: $(cat "$3")"
    sleep 0.1
  done
  wait "$job"
  status=$?
  [ "${named:-9999}" -le $(($2 * 10)) ] || fail "named after ${named:-no} tenths of a second: $(cat "$3")"
  grep -qE "^dmsnet: error: $4" "$3" || fail "not named: $4: $(cat "$3")"
  expect "$status" "$1" "$(tail -n 5 "$3")"
  took="named after $((named / 10)).$((named % 10)) s, over after $(($(since) / 10)) s"
  for _ in $(seq "${5:-0}"); do
    [ -n "$(left_running)" ] || break
    sleep 1
  done
  left=$(left_running)
  [ -z "$left" ] || fail "left running: $left"
}

# The processes of this trial's jobs.
left_running() {
  ps -eo pid=,comm= | grep -E ' (dmsnet|ranks|agent|orted|mpirun|orterun|mpiexec.hydra|hydra_pmi_proxy)$' |
    while read -r process _; do
      grep -qs "$place" "/proc/$process/environ" "/proc/$process/cmdline" && ps -o pid=,args= "$process"
    done
}

# launch/scaling over small steps: scale NAME ARGUMENTS...
scale() {
  local name=$1
  shift
  "$root/launch/scaling" "$@" --report "$place/$name" --weak 1 --steps 2 --depth 18 --stem 8 --width 32 --embedding 16 --size 64 \
    --micro-batch 1 >"$place/$name.log" 2>&1
}

# The places of a report, ranks x threads x hosts.
places() { awk -F, 'NR > 1 { print $4 "x" $5 "x" $3 }' "$1/scaling.csv" | paste -sd' '; }

expect() { [ "$1" = "$2" ] || fail "$3: $1, expected $2"; }

# Seconds since the last call, for people.
SECONDS=0
said() { echo "$1: $SECONDS s" && SECONDS=0; }
