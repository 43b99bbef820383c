#!/usr/bin/env bash
# Runs `next-jax run` on a slice of Cloud TPUs: requests the slice as a queued resource, waits for it, installs the
# commit that is checked out here on all workers, runs, shows the logs, requests again after a preemption, and copies
# the report to this machine.
#
#   launch/tpu_run.sh --name=next --type=v5litepod-8 --zone=us-west4-a --spot --workdir=gs://my-bucket/next \
#     -- --gin_file=gin_configs/quickstart.gin --gin.SEED=1
#
#   --name=NAME             name of the queued resource and its TPU; the same command again continues with both
#   --type=TYPE             accelerator type: v5litepod-8, v5p-32, v6e-16, ...
#   --zone=ZONE
#   --workdir=gs://PATH     where the run writes, and from where it resumes
#   --project=PROJECT       default: gcloud's own
#   --spot | --reserved     default: on demand
#   --runtime_version=NAME  default: the image that Cloud TPU names for the type and JAX
#   --create_flag=FLAG      extra flag of `gcloud compute tpus queued-resources create`; may be repeated
#   --out=DIR               directory on this machine for log and report; default: runs/NAME
#   --delete                delete the slice when the run is over, even if it failed; without `-- ...`, at once
#   --dry_run               print the commands instead of running them
#
# Ctrl-C ends only this script: the slice stays, the run continues there, and the slice costs until it is deleted.
# TPU_RUN_POLL_SECONDS (30) is the time between two checks of the slice.
# Exit code: 0 the run succeeded, 1 it failed, 2 wrong usage, 3 no slice (quota, permission, deleted), 130 Ctrl-C.
# shellcheck disable=SC2329  # some functions are called by name
set -euo pipefail
cd "$(dirname "$0")/.."

FAILED=1 USAGE=2 NO_SLICE=3 INTERRUPTED=130 ATTEMPTS=5

say() { printf 'tpu_run: %s\n' "$*" >&2; }
quoted() { printf '%q ' "$@"; }
pause() { [ -n "$dry_run" ] || sleep "${TPU_RUN_POLL_SECONDS:-30}"; }

fail() {  # CODE MESSAGE
  say "error: $2"
  exit "$1"
}

end() {  # CODE MESSAGE: after a run; deletes the slice or says that it stays
  say "$2"
  if [ -z "$delete" ]; then
    say "$name stays and costs until it is deleted: $deletion"
  else
    resource delete --force --quiet || say "error: could not delete $name; it costs until it is deleted: $deletion"
  fi
  exit "$1"
}

cloud() { if [ -n "$dry_run" ]; then echo "gcloud $(quoted "$@")" >&3; else gcloud "$@"; fi; }
tpus() { cloud compute tpus "$@" "${where[@]}"; }
resource() { tpus queued-resources "$1" "$name" "${@:2}"; }
# `queued-resources ssh` would serve its workers in batches of 64, one after the other.
on_workers() { tpus tpu-vm ssh "$name" --worker=all --ssh-flag="-o ServerAliveInterval=30" --command="$1"; }

look() {  # ATTEMPTS: sets `state` to the queued resource's state, or NONE
  local attempt
  for attempt in $(seq "$1"); do
    [ "$attempt" = 1 ] || pause
    if state="$(resource describe --format="value(state.state)" 2>"$scratch/error")"; then
      [ -z "$dry_run" ] || state="${asked:-NONE}"
      return
    elif grep -q NOT_FOUND "$scratch/error"; then
      state=NONE
      return
    fi
  done
  fail "$NO_SLICE" "cannot look at $name: $(cat "$scratch/error")"
}

acquire() {  # returns when the slice is ACTIVE
  local before=""
  look 1
  until [ "$state" = ACTIVE ]; do
    [ "$state" = "$before" ] || say "$name: $state"
    before="$state"
    case "$asked/$state" in
      /NONE)
        say "requesting $name: $type in $zone, ${tier:-on demand}"
        resource create --node-id="$name" --accelerator-type="$type" --runtime-version="$runtime_version" \
          ${create_flags[@]+"${create_flags[@]}"} ||
          fail "$NO_SLICE" "the slice was refused; gcloud's message is above"
        asked=ACTIVE ;;
      */SUSPENDED | /FAILED)  # left by an earlier run, or preempted before it began
        resource delete --force --quiet ||
          fail "$NO_SLICE" "could not delete the remains of $name; gcloud's message is above"
        asked="" ;;
      ACTIVE/FAILED)
        fail "$NO_SLICE" "$name FAILED: $(resource describe --format="value(state.failedData.error.message)"); to \
delete it: $deletion" ;;
      ACTIVE/NONE) fail "$NO_SLICE" "$name was deleted while it waited" ;;
      *) pause ;;
    esac
    look "$ATTEMPTS"
  done
}

preempted() {
  local node initiator
  look "$ATTEMPTS"
  case "$state" in
    ACTIVE)  # the node may be ahead of its queued resource
      node="$(tpus tpu-vm describe "$name" --format="value(state)")"
      [ "$node" = PREEMPTED ] || [ "$node" = TERMINATED ] ;;
    SUSPENDING | SUSPENDED)
      initiator="$(resource describe --format="value(state.stateInitiator)")"
      [ "$initiator" != USER ] || fail "$NO_SLICE" "$name was deleted by its user and is not requested again" ;;
    *) fail "$NO_SLICE" "$name is $state, which is no preemption, and is not requested again" ;;
  esac
}

job() {
  # The job has its own process group, so that Ctrl-C reaches only this script, which then ends the whole group. By
  # itself, gcloud would answer an interrupted ssh with ten new connections.
  set -m
  "$@" </dev/null &
  job=$!
  set +m
  local code=0
  wait "$job" || code=$?
  job=""
  return "$code"
}

stop_all() {  # repeatedly, because a worker may connect only after another has failed
  while true; do
    on_workers "$home/launch/tpu_worker.sh stop" </dev/null || true
    pause
  done
}

watched() {  # COMMAND: runs it on all workers, keeps their output and how they end, and stops all when one fails
  local line stopping=""
  on_workers "$1" 2>&1 | tee -a "$log" | {
    while IFS= read -r line; do
      printf '%s\n' "$line"
      # tpu_worker.sh reports how a worker ends; the output of programs begins with `[worker N]`.
      [[ $line = "worker "[0-9]*": "* ]] || continue
      printf '%s\n' "$line" >>"$scratch/ends"
      if [ -z "$stopping" ] && [[ $line = *" failed with code "* ]]; then
        stop_all &
        stopping=$!
      fi
    done
    [ -z "$stopping" ] || kill "$stopping"
  }
}

install_and_run() {
  local clone="git clone --quiet --config=advice.detachedHead=false next-jax.bundle $home.part"
  say "installing commit $commit on the workers of $name"
  : >"$scratch/ends"
  job tpus tpu-vm scp "$scratch/next-jax.bundle" "$name:next-jax.bundle" --worker=all || return
  job watched "{ test -d $home || { rm -rf $home.part && $clone && mv $home.part $home; }; } && \
$home/launch/tpu_worker.sh install $requirements" || return
  say "running on $name; the log is also in $log"
  job watched "$home/launch/tpu_worker.sh run $arguments"
}

run() {
  local lost=0 line
  until acquire && install_and_run; do
    pause  # the state of a slice lags behind
    if preempted; then
      say "$name was preempted; requesting again; the run will resume from $workdir"
      resource delete --force --quiet || pause
      asked="" lost=0
    elif line="$(grep -m 1 " failed with code " "$scratch/ends")"; then
      end "$FAILED" "error: $line; the end of its log:
$(grep -F "[${line%%:*}]" "$log" | tail -n 40)"
    elif grep -q " is busy " "$scratch/ends"; then
      fail "$FAILED" "$name is busy with another run: give that run's command to see it, use another --name, or end it:
  gcloud $(quoted compute tpus tpu-vm ssh "$name" "${where[@]}" --worker=all \
    --command="$home/launch/tpu_worker.sh stop")"
    elif line="$(grep -m 1 " was stopped" "$scratch/ends")"; then
      end "$FAILED" "error: $line, but not by this script; the same command resumes it"
    else
      lost=$((lost + 1))
      [ "$lost" -lt "$ATTEMPTS" ] || end "$FAILED" "error: could not reach the workers of $name"
      say "lost the connection to $name; trying again"
    fi
  done
  if cloud storage cp --recursive "$workdir/report" "$out/"; then
    end 0 "the report: $out/report/index.html"
  fi
  end 0 "there is no report at $workdir/report"
}

interrupted() {
  trap - INT TERM HUP
  [ -z "$job" ] || kill -TERM -- "-$job" 2>/dev/null || true
  say "interrupted. $name stays, its run continues, and it costs until it is deleted."
  say "The same command shows the log again. To delete it: $deletion"
  exit "$INTERRUPTED"
}

parse() {  # sets the options, and `rest` to what follows `--`
  local option
  name="" type="" zone="" workdir="" project="" tier="" runtime_version="" out="" delete="" dry_run=""
  create_flags=() rest=()
  while [ $# -gt 0 ]; do
    option="${1%%=*}"
    case "$1" in
      --name=* | --type=* | --zone=* | --workdir=* | --project=* | --runtime_version=* | --out=*)
        printf -v "${option#--}" %s "${1#*=}" ;;
      --create_flag=*) create_flags+=("${1#*=}") ;;
      --spot | --reserved)
        [ "${tier:-$1}" = "$1" ] || fail "$USAGE" "found --spot and --reserved, expected one of them"
        tier="$1" ;;
      --delete | --dry_run) printf -v "${1#--}" yes ;;
      --help)
        sed -n '2,/^# shellcheck/{/^# shellcheck/!s/^# \{0,1\}//p;}' launch/tpu_run.sh
        exit 0 ;;
      --)
        rest=("${@:2}")
        return ;;
      *) fail "$USAGE" "found $1, expected an option that --help lists; arguments for next-jax go after \`--\`" ;;
    esac
    shift
  done
}

need() {  # OPTION...
  local option
  for option; do
    [ -n "${!option}" ] || fail "$USAGE" "--$option: found nothing, expected a value; --help shows an example"
  done
}

check() {  # checks the request before it costs anything
  local argument
  need type workdir
  [ "${#rest[@]}" -gt 0 ] || fail "$USAGE" "found nothing after \`--\`, expected arguments for next-jax: --gin_file=..."
  [[ $workdir = gs://?* ]] || fail "$USAGE" "--workdir: found $workdir, expected gs://...; disks end with their slice"
  case "$type" in
    v5litepod-*) runtime_version="${runtime_version:-v2-alpha-tpuv5-lite}" ;;
    v5p-*) runtime_version="${runtime_version:-v2-alpha-tpuv5}" ;;
    v6e-*) runtime_version="${runtime_version:-v2-alpha-tpuv6e}" ;;
    v[234]-*) runtime_version="${runtime_version:-tpu-ubuntu2204-base}" ;;
    *) need runtime_version ;;
  esac
  [ -z "$(git status --porcelain --untracked-files=no)" ] ||
    fail "$USAGE" "found changes that are not committed, expected none: the workers get a commit; see git status"
  commit="$(git rev-parse HEAD)"
  for argument in "${rest[@]}"; do
    case "$argument" in
      --gin.WORKDIR=*) fail "$USAGE" "found $argument, expected --workdir=gs://... before \`--\`" ;;
      --gin_file=*)
        git cat-file -e "HEAD:${argument#*=}" 2>/dev/null ||
          fail "$USAGE" "${argument#*=} is not a file of commit $commit, so the workers would not have it: commit it" ;;
    esac
  done
}

parse "$@"
command -v gcloud >/dev/null || fail "$USAGE" "found no gcloud on PATH; see https://cloud.google.com/sdk/docs/install"
need name zone
where=(--zone="$zone" ${project:+--project="$project"})
create_flags+=(${tier:+"$tier"})
deletion="gcloud $(quoted compute tpus queued-resources delete "$name" --force "${where[@]}")"
exec 3>&1
if [ -n "$delete" ] && [ "${#rest[@]}" = 0 ]; then
  resource delete --force --quiet
  exit
fi
check
home="next-jax-$commit"
arguments="$(quoted "${rest[@]}" "--gin.WORKDIR='$workdir'")"
requirements=""
if [[ $arguments = *t5x* ]]; then requirements=requirements/t5x.txt; fi
asked="" job="" log=/dev/null out="${out:-runs/$name}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
if [ -z "$dry_run" ]; then
  mkdir -p "$out"
  log="$out/tpu_run.log"
  git bundle create --quiet "$scratch/next-jax.bundle" HEAD
fi
trap interrupted INT TERM HUP
run
