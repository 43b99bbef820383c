#!/usr/bin/env bash
# What launch/tpu_run.sh asks of one worker of a TPU slice. It runs there, from a clone of the commit.
#
#   launch/tpu_worker.sh install [REQUIREMENTS...]   the project, JAX for TPU, and what the files name without its
#                                                    dependencies; the second time it does nothing
#   launch/tpu_worker.sh run ARGUMENTS...            starts `next-jax run ARGUMENTS`, or finds it going on, or ended
#                                                    without a witness; shows its log from the beginning to the end
#   launch/tpu_worker.sh stop                        ends it
#
# The run belongs to the worker and not to the connection, because connections break, and gcloud then gives the same
# command again by itself, up to ten times.
# shellcheck disable=SC2329  # some functions are called by name
set -euo pipefail
cd "$(dirname "$0")/.."

worker="${HOSTNAME##*-w-}"  # workers are called t1v-n-...-w-0, -w-1, ...
state="$HOME/next-jax-run"  # of the worker, not of the clone: one run at a time, of whatever commit
BUSY=75

find_python() {
  # The images of Cloud TPU are Ubuntu 22.04, whose Python is 3.10.
  if [ -n "${PYTHON:-}" ]; then return; fi
  PYTHON="$(command -v python3.11 || true)"
  if [ -z "$PYTHON" ]; then
    PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv  # breaks none: it is the user's
    python3 -m uv python install --quiet 3.11
    PYTHON="$(python3 -m uv python find 3.11)"
  fi
}

install() {
  local stamp requirements
  find_python
  # shellcheck source=launch/environment.sh
  . launch/environment.sh
  install_project
  stamp=".venv/installed-for-tpu-$(cat setup.py "$@" | cksum | cut -d' ' -f1)"
  if [ -e "$stamp" ]; then return; fi
  python -m pip install --quiet --disable-pip-version-check "jax[tpu]"  # the libtpu that the installed JAX wants
  for requirements in "$@"; do
    python -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$requirements"
  done
  touch "$stamp"
}

of_several() {  # whether the slice has more workers, by the list from which JAX learns who they are
  local metadata="http://metadata.google.internal/computeMetadata/v1/instance/attributes/worker-network-endpoints"
  curl --silent --fail --header "Metadata-Flavor: Google" "$metadata" | grep --quiet ,
}

start() {  # WHAT ARGUMENTS...
  # Holding file 9 open is holding the lock: it is free when next-jax is gone, however it went.
  printf '%s\n' "$1" >"$state/command"
  : >"$state/log"
  rm -f "$state/code" "$state/seen"
  shift
  if of_several; then set -- --distributed "$@"; fi
  # shellcheck disable=SC2016
  setsid bash -c '
    code=0
    "${@:2}" || code=$?
    echo "$code" >"$1"' - "$state/code" .venv/bin/next-jax run "$@" </dev/null >>"$state/log" 2>&1 &
  echo "$!" >"$state/pid"
}

run() {
  local asked
  asked="$(git rev-parse HEAD)$(printf ' %q' "$@")"
  mkdir -p "$state"
  exec 9>>"$state/lock"
  if flock --nonblock 9; then
    # One that ended while nobody was connected is shown instead: on a slice of several workers the others may have
    # been told already that it ended, and would not be there for a second one.
    if [ -e "$state/seen" ] || [ ! -e "$state/code" ] || [ "$(cat "$state/command")" != "$asked" ]; then
      start "$asked" "$@"
    fi
  elif [ "$(cat "$state/command")" != "$asked" ]; then
    echo "goes on with: $(cat "$state/command")" >&2
    return "$BUSY"
  fi
  exec 9>&-
  tail --lines=+1 --sleep-interval=0.2 --follow --pid="$(cat "$state/pid")" "$state/log"
  return "$(cat "$state/code" 2>/dev/null || echo 143)"  # without a code it was ended from outside
}

stop() {
  if [ ! -e "$state/pid" ] || flock --nonblock "$state/lock" true; then return; fi
  kill -TERM -- "-$(cat "$state/pid")"
  # JAX can take SIGTERM for a notice of preemption, and go on.
  flock --wait 10 "$state/lock" true || kill -KILL -- "-$(cat "$state/pid")"
}

case "${1:-}" in
  install | run | stop) ;;
  *)
    echo "error: found '${1:-}', expected install, run or stop" >&2
    exit 2
    ;;
esac

export PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
# In a subshell of its own, so that `set -e` ends it at the first error; as `install || ...` it would not.
set +e
(
  set -e
  "$@"
) 2>&1 | sed -u "s/^/[worker $worker] /"
ended=("${PIPESTATUS[@]}")
set -e
code="${ended[0]}"
case "$code" in
  0) ;;
  "$BUSY") echo "worker $worker: is busy with another run" ;;
  143) echo "worker $worker: $1 was stopped" ;;
  *) echo "worker $worker: $1 failed with code $code" ;;
esac
# Seen: not where the connection is broken, so that sed could not write.
if [ "$1" = run ] && [ -e "$state/code" ] && [ "${ended[1]}" = 0 ]; then touch "$state/seen"; fi
if [ "$code" = 255 ]; then code=1; fi  # 255 is what ssh says of a broken connection
exit "$code"
