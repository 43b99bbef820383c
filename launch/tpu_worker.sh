#!/usr/bin/env bash
# Does on one worker of a TPU slice what launch/tpu_run.sh asks. Runs on the worker, from a clone of the commit.
#
#   launch/tpu_worker.sh install [REQUIREMENTS...]   installs the project, JAX for TPU, and the packages of the files
#                                                    without their dependencies; does nothing the second time
#   launch/tpu_worker.sh run ARGUMENTS...            starts `next-jax run ARGUMENTS`, or finds that it is running or has
#                                                    ended unseen; shows its whole log until it ends
#   launch/tpu_worker.sh stop                        ends the run
#
# The run does not depend on the connection. Connections break, and gcloud then repeats the command itself, up to ten
# times.
# shellcheck disable=SC2329  # some functions are called by name
set -euo pipefail
cd "$(dirname "$0")/.."

worker="${HOSTNAME##*-w-}"  # workers are called t1v-n-...-w-0, -w-1, ...
state="$HOME/next-jax-run"  # belongs to the worker, not to the clone: one run at a time, of any commit
BUSY=75

find_python() {
  # Cloud TPU's images are Ubuntu 22.04, which has Python 3.10.
  if [ -n "${PYTHON:-}" ]; then return; fi
  PYTHON="$(command -v python3.11 || true)"
  if [ -z "$PYTHON" ]; then
    PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv  # breaks nothing: it is a user installation
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

of_several() {  # whether the slice has several workers, by the list that JAX reads too
  local metadata="http://metadata.google.internal/computeMetadata/v1/instance/attributes/worker-network-endpoints"
  curl --silent --fail --header "Metadata-Flavor: Google" "$metadata" | grep --quiet ,
}

start() {  # WHAT ARGUMENTS...
  # The lock is held while file 9 is open, so it is free once next-jax has ended in any way.
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
    # A run that ended while nobody was connected is shown, not started again: on a slice of several workers, the others
    # may already know that it ended and would not join a second run.
    if [ -e "$state/seen" ] || [ ! -e "$state/code" ] || [ "$(cat "$state/command")" != "$asked" ]; then
      start "$asked" "$@"
    fi
  elif [ "$(cat "$state/command")" != "$asked" ]; then
    echo "is running: $(cat "$state/command")" >&2
    return "$BUSY"
  fi
  exec 9>&-
  tail --lines=+1 --sleep-interval=0.2 --follow --pid="$(cat "$state/pid")" "$state/log"
  return "$(cat "$state/code" 2>/dev/null || echo 143)"  # without a code, it was ended from outside
}

stop() {
  if [ ! -e "$state/pid" ] || flock --nonblock "$state/lock" true; then return; fi
  kill -TERM -- "-$(cat "$state/pid")"
  # JAX can take SIGTERM for a preemption notice and continue.
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
# A subshell, so that `set -e` ends it at the first error; `install || ...` would not.
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
# Seen, unless the connection broke and sed could not write.
if [ "$1" = run ] && [ -e "$state/code" ] && [ "${ended[1]}" = 0 ]; then touch "$state/seen"; fi
if [ "$code" = 255 ]; then code=1; fi  # 255 is ssh's code for a broken connection
exit "$code"
