# Slurm on hosts.bash's hosts: slurmctld on this machine, a slurmd on each host, munge beside them; all files in $place.
#
#   slurm_up CORES [LINE...]     nodes h1 .. of so many cores; further lines of slurm.conf
#   submit NAME SCRIPT NODES RANKS EPOCHS [SED]   a script of cluster/slurm on the small network; sets $job, output in $place/NAME
#   state                        of $job
#   slurm_down

slurm_up() {
  local tool host cores=$1 count=${#hosts[@]}
  shift
  for tool in slurmctld slurmd srun munged mungekey; do
    command -v $tool >/dev/null || PATH=$PATH:/usr/sbin command -v $tool >/dev/null || skip "$tool is missing"
  done
  export PATH=$PATH:/usr/sbin SLURM_CONF=$place/slurm.conf
  mkdir -p "$place/state" "$place/munge"
  chmod 755 "$place/munge"
  mungekey --create --keyfile="$place/munge/key"
  munged --force --key-file="$place/munge/key" --socket="$place/munge/socket" --pid-file="$place/munge/pid" \
    --log-file="$place/munge/log" --seed-file="$place/munge/seed" || skip "munged does not start"
  cat >"$SLURM_CONF" <<CONF
ClusterName=trial
SlurmctldHost=$(hostname -s)($net.254)
SlurmctldPort=$((20000 + $$ % 20000))
SlurmdPort=6818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits for its credential to expire.
AuthInfo=socket=$place/munge/socket,cred_expire=5
StateSaveLocation=$place/state
# Gone with the host's power: PMIx's sockets of a job that stay in there would fail its next start on that host.
SlurmdSpoolDir=/tmp/slurmd
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.%n.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.%n.log
MailProg=/bin/true
RebootProgram=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=20
SlurmdTimeout=12
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
NodeName=h[1-$count] NodeAddr=$net.[1-$count] CPUs=$cores CoresPerSocket=$cores ThreadsPerCore=1 RealMemory=1000
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF
CONF
  printf '%s\n' "$@" >>"$SLURM_CONF"
  slurmctld -c -f "$SLURM_CONF" || fail "slurmctld does not start"
  for host in "${hosts[@]}"; do
    on "$host" env SLURM_CONF="$SLURM_CONF" slurmd -N "$host" -f "$SLURM_CONF" || fail "slurmd does not start on $host"
  done
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%T | sort -u)" = idle ] && return
    sleep 0.5
  done
  fail "nodes are not idle: $(sinfo; tail -n 5 "$place"/slurm*.log)"
}

submit() {
  local name=$1 script=$2 nodes=$3 ranks=$4 epochs=$5
  sed -e "s|^#SBATCH --nodes=4 |#SBATCH --nodes=$nodes |; s|^#SBATCH --ntasks-per-node=2 |#SBATCH --ntasks-per-node=$ranks |" \
    -e "s|^#SBATCH --cpus-per-task=16 |#SBATCH --cpus-per-task=1 |" \
    -e "s|^data=.*|data=$data|; s|^output=.*|output=$place/$name|" \
    -e "s|--depth 50 --size 224 --batch 128|${network[*]:2} --epochs $epochs|" -e "s|--checkpoint-every 200|--checkpoint-every 50|" \
    -e "${6:-}" "$root/cluster/slurm/$script" >"$place/$name.sbatch"
  log=$place/$name.log
  job=$(cd "$root" && OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 sbatch --parsable --output="$log" \
    "$place/$name.sbatch") || fail "sbatch refuses $script"
}

field() { scontrol show job "$job" | grep -oE "\b$1=[^ ]*" | cut -d= -f2; }
state() { field JobState; }

# Waits until $job is in one of these states, 180 seconds at most.
wait_state() {
  local now until=$((EPOCHSECONDS + 180))
  while [ "$EPOCHSECONDS" -lt "$until" ]; do
    now=$(state)
    [[ " $* " == *" $now "* ]] && return
    sleep 0.2
  done
  fail "job $job is $now, expected $*: $(tail -n 20 "$log"; scontrol show job "$job"; tail -n 20 "$place/slurmctld.log")"
}

slurm_down() {
  local file
  for file in "$place"/slurmd.*.pid "$place/slurmctld.pid" "$place/munge/pid"; do
    [ -e "$file" ] || continue
    # Of its host's processes, or of this machine's.
    case "$file" in
      */slurmd.*) nsenter -t "$(cat "$place/$(basename "$file" | cut -d. -f2).pid")" -p -m -- kill "$(cat "$file")" ;;
      *) kill "$(cat "$file")" ;;
    esac
  done
  sleep 0.5
}
