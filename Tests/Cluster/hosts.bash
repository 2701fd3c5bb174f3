# Hosts out of namespaces of this machine: each has its own network, host name, processes, shared memory and /tmp; the rest of the file
# system is shared, as a cluster's is. Needs root and iproute2.
#
#   hosts_up N            h1 .. hN on a bridge
#   on HOST COMMAND...    as on that host, in this folder and environment
#   unplug HOST, plug HOST its cable; head: that of this machine
#   slow HOST RATE        a slow cable: slow h2 100mbit
#   quick HOST            as before
#   fell HOST             its power fails
#   boot HOST             and comes back
#   reboot HOST           its processes end, and it is back at once
#   hostfile HOST...      where launch/train is to run: a core each
#   hosts_down            the end of all of them

# Names of interfaces have 15 characters at most.
bridge=dms$(($$ % 100000))
# Trials side by side have networks of their own.
net=10.$((64 + $$ % 128)).$(($$ / 128 % 250))
hosts=()

need_hosts() {
  [ "$(id -u)" = 0 ] || skip "hosts out of namespaces need root"
  local tool
  for tool in ip tc nsenter unshare setsid; do command -v $tool >/dev/null || skip "$tool is missing"; done
  unshare -n -u -i -m -p -f true 2>/dev/null || skip "namespaces cannot be made here"
  ip link add "$bridge" type bridge 2>/dev/null || skip "a bridge cannot be made here"
}

hosts_up() {
  need_hosts
  ip addr add $net.254/24 dev "$bridge"
  ip link set "$bridge" up
  {
    echo "127.0.0.1 localhost"
    for i in $(seq "$1"); do echo "$net.$i h$i"; done
    echo "$net.254 $(hostname) head"
  } >"$place/names"
  for i in $(seq "$1"); do boot "h$i"; done
  # The launch agent that stands for ssh: over the network, a fresh environment, in the home folder, through a shell.
  cat >"$place/agent" <<AGENT
#!/bin/bash
while [ "\${1#-}" != "\$1" ]; do shift; done
host=\$1; shift
# A host that is there refuses what nobody listens for.
reaches() { timeout 2 bash -c "echo >/dev/tcp/$net.\${host#h}/9" 2>&1 | grep -q refused; }
reaches || { sleep 3; exit 255; }
# Each host has a core of this machine, in turn: left to themselves all would take the first.
cores=($(sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status | tr ',' '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done | paste -sd' '))
core=\${cores[\$(((\${host#h} - 1) % \${#cores[@]}))]}
taskset -c "\$core" nsenter -t "\$(cat $place/\$host.pid)" -n -u -i -m -p -- env -i HOME=/root USER=root SHELL=/bin/bash \
  PATH=/usr/local/bin:/usr/bin:/bin bash -c "cd; \$*"
status=\$?
# Of a host without power ssh hears nothing, not even that it ended.
sleep 0.5
reaches || exec sleep 600
exit \$status
AGENT
  chmod +x "$place/agent"
  export OMPI_MCA_plm_rsh_agent=$place/agent HYDRA_LAUNCHER=ssh HYDRA_LAUNCHER_EXEC=$place/agent
}

boot() {
  local host=$1 child=
  ip netns add "$bridge-$host"
  ip link add "$bridge$host" type veth peer name eth0 netns "$bridge-$host"
  ip link set "$bridge$host" master "$bridge" up
  # A card keeps its address when its host reboots: the others remember it.
  ip -n "$bridge-$host" link set eth0 address "$(printf 02:00:00:00:00:%02x "${host#h}")"
  ip -n "$bridge-$host" addr add "$net.${host#h}/24" dev eth0
  ip -n "$bridge-$host" link set eth0 up
  ip -n "$bridge-$host" link set lo up
  # BBR, where this machine has it, sends by a timer for each piece, and all timers are those of the cores that train.
  ip netns exec "$bridge-$host" sysctl -qw net.ipv4.tcp_congestion_control=reno 2>/dev/null || true
  # The host's first process reaps what its parents left, and takes all others with it.
  setsid nsenter --net="/run/netns/$bridge-$host" unshare -u -i -m -p -f --mount-proc --kill-child bash -c "
    hostname $host; mount --make-rprivate /; mount --bind $place/names /etc/hosts
    mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs -o mode=1777 tmpfs /tmp
    touch /tmp/ready; while :; do sleep 3600 & wait; done" </dev/null >/dev/null 2>&1 &
  disown
  for _ in $(seq 100); do
    child=$(pgrep -P $! || true)
    [ -n "$child" ] && [ -e "/proc/$child/root/tmp/ready" ] && break
    sleep 0.1
  done
  echo "$child" >"$place/$host.pid"
  [[ " ${hosts[*]-} " == *" $host "* ]] || hosts+=("$host")
}

on() {
  local host=$1
  shift
  nsenter -t "$(cat "$place/$host.pid")" -n -u -i -m -p -- bash -c 'cd "$1"; shift; exec "$@"' _ "$PWD" "$@"
}

hostfile() {
  for host in "$@"; do echo "$host slots=1"; done >"$place/hostfile"
  export HOSTFILE=$place/hostfile
}

# This machine's packets to the hosts go nowhere, least of all out by another of its cards.
unplug() { if [ "$1" = head ]; then ip route add unreachable $net.0/25; else ip link set "$bridge$1" down; fi; }
plug() { if [ "$1" = head ]; then ip route del unreachable $net.0/25; else ip link set "$bridge$1" up; fi; }
slow() { ip netns exec "$bridge-$1" tc qdisc replace dev eth0 root tbf rate "$2" burst 256kb latency 50ms; }
quick() { ip netns exec "$bridge-$1" tc qdisc del dev eth0 root; }
fell() {
  unplug "$1"
  ended "$1"
}
reboot() {
  kill -9 "$(cat "$place/$1.pid")"
  sleep 1
  ended "$1"
  boot "$1"
}
ended() {
  kill -9 "$(cat "$place/$1.pid")" 2>/dev/null || true
  rm "$place/$1.pid"
  ip netns del "$bridge-$1"
  # A network lives on while its dead processes' connections have something to send; its cable would too.
  ip link del "$bridge$1" 2>/dev/null || true
}

hosts_down() {
  local host
  for host in ${hosts[@]+"${hosts[@]}"}; do
    [ ! -e "$place/$host.pid" ] || kill -9 "$(cat "$place/$host.pid")"
    ip netns del "$bridge-$host" 2>/dev/null || true
    ip link del "$bridge$host" 2>/dev/null || true
  done
  ip link del "$bridge" 2>/dev/null || true
  ip route del unreachable $net.0/25 2>/dev/null || true
}
