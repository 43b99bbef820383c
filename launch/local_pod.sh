#!/usr/bin/env bash
# Tries a run of several hosts on one machine: runs `next-jax run` in N processes, joined like the hosts of a pod.
#   launch/local_pod.sh 2 -- --gin_file=gin_configs/smoke.gin --gin.WORKDIR="'/tmp/smoke'"
# Each process gets an equal share of the cores as CPU devices, unless JAX_NUM_CPU_DEVICES is set. The exit code is 0 if
# all processes succeed, else that of the first that fails; then the others have stopped too.
set -euo pipefail
cd "$(dirname "$0")/.."

# Seconds for the other processes to report why they stop; then they are killed. JAX itself notices a killed process
# only after 100 s.
GRACE_SECONDS="${GRACE_SECONDS:-30}"

usage="usage: launch/local_pod.sh N -- ARGUMENTS OF next-jax run"
if [[ $# -lt 2 || ! $1 =~ ^[1-9][0-9]*$ || $2 != -- ]]; then
  echo "$usage; found: $*" >&2
  exit 2
fi
count="$1"
shift 2
if ! command -v next-jax >/dev/null; then
  # shellcheck source=launch/environment.sh
  . launch/environment.sh
  install_project
fi

# shellcheck disable=SC2329  # called by the trap
kill_all() {
  local running
  mapfile -t running < <(jobs -pr)
  if [ "${#running[@]}" -gt 0 ]; then
    kill -KILL "${running[@]}" 2>/dev/null || true  # a run can be killed at any point
  fi
  wait
}
trap kill_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

share=$(($(nproc) / count))
export JAX_NUM_CPU_DEVICES="${JAX_NUM_CPU_DEVICES:-$((share > 0 ? share : 1))}"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("localhost", 0)); print(s.getsockname()[1])')"
for ((index = 0; index < count; index++)); do
  next-jax run --coordinator_address="localhost:$port" --num_processes="$count" --process_id="$index" "$@" \
    > >(sed -u "s/^/[process $index] /") 2>&1 &
done

code=0
for ((index = 0; index < count; index++)); do
  wait -n || code=$?
  if [ "$code" != 0 ]; then
    break
  fi
done
for ((tenth = 0; tenth < 10 * GRACE_SECONDS; tenth++)); do
  if [ -z "$(jobs -pr)" ]; then
    break
  fi
  sleep 0.1
done
exit "$code"
