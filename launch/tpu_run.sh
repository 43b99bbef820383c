#!/usr/bin/env bash
# Runs `next-jax run` on a slice of Cloud TPUs: asks for it as a queued resource, waits, installs the commit that is
# checked out here on all its workers, runs, shows the logs, asks again after a preemption, and brings the report here.
#
#   launch/tpu_run.sh --name=next --type=v5litepod-8 --zone=us-west4-a --spot --workdir=gs://my-bucket/next \
#     -- --gin_file=gin_configs/quickstart.gin --gin.SEED=1
#
#   --name=NAME             of the queued resource and its TPU; given again, the same command goes on with both
#   --type=TYPE             accelerator type: v5litepod-8, v5p-32, v6e-16, ...
#   --zone=ZONE
#   --workdir=gs://PATH     where the run writes, and goes on from
#   --project=PROJECT       without it, gcloud's own
#   --spot | --reserved     without them, on demand
#   --runtime_version=NAME  without it, the image that Cloud TPU names for the type and JAX
#   --create_flag=FLAG      one more flag of `gcloud compute tpus queued-resources create`; may be repeated
#   --out=DIR               where log and report go on this machine; without it, runs/NAME
#   --delete                deletes the slice when the run is over, well or badly; without `-- ...`, now
#   --dry_run               prints the commands instead
#
# Ctrl-C ends this script only: the slice stays, the run goes on there, and both cost until they are deleted.
# TPU_RUN_POLL_SECONDS (30) is the time between two looks at the slice.
# Exit code: 0 the run ended well, 1 it failed, 2 wrong usage, 3 no slice (quota, permission, deleted), 130 Ctrl-C.
# shellcheck disable=SC2329  # some functions are called by name
set -euo pipefail
cd "$(dirname "$0")/.."

FAILED=1 USAGE=2 NO_SLICE=3 INTERRUPTED=130 ATTEMPTS=5

say() { printf 'tpu_run: %s\n' "$*" >&2; }
quoted() { printf '%q ' "$@"; }
pause() { [ -n "$dry_run" ] || sleep "${TPU_RUN_POLL_SECONDS:-30}"; }

fail() {  # CODE MESSAGE...
  local code="$1"
  shift
  say "error: $*"
  exit "$code"
}

cloud() {
  if [ -n "$dry_run" ]; then echo "gcloud $(quoted "$@")" >&3; else gcloud "$@"; fi
}
tpus() { cloud compute tpus "$@" "${where[@]}"; }
# `queued-resources ssh` would serve its workers in batches of 64, one after the other.
on_workers() { tpus tpu-vm ssh "$name" --worker=all --ssh-flag="-o ServerAliveInterval=30" --command="$1"; }

look() {  # ATTEMPTS: sets `state` to that of the queued resource, or NONE
  local attempt
  for attempt in $(seq "$1"); do
    if state="$(tpus queued-resources describe "$name" --format='value(state.state)' 2>"$scratch/error")"; then
      [ -z "$dry_run" ] || state="${asked:-NONE}"
      return
    fi
    if grep -q NOT_FOUND "$scratch/error"; then
      state=NONE
      return
    fi
    [ "$attempt" = "$1" ] || pause
  done
  fail "$NO_SLICE" "cannot look at $name: $(cat "$scratch/error")"
}

create() {
  say "asking for $name: $type in $zone, ${tier:-on demand}"
  tpus queued-resources create "$name" --node-id="$name" --accelerator-type="$type" \
    --runtime-version="$runtime_version" ${create_flags[@]+"${create_flags[@]}"} ||
    fail "$NO_SLICE" "the slice was refused; gcloud's message is above"
  asked=ACTIVE
}

remove() { tpus queued-resources delete "$name" --force --quiet; }

acquire() {  # returns when the slice is ACTIVE
  local before=""
  look 1
  until [ "$state" = ACTIVE ]; do
    [ "$state" = "$before" ] || say "$name: $state"
    before="$state"
    case "$asked/$state" in
      /NONE) create ;;
      */SUSPENDED | /FAILED)  # what an earlier run left, or a preemption before it began
        remove || fail "$NO_SLICE" "could not delete the remains of $name; gcloud's message is above"
        asked="" ;;
      ACTIVE/FAILED)
        fail "$NO_SLICE" "$name FAILED: $(tpus queued-resources describe "$name" \
          --format='value(state.failedData.error.message)'); to delete it: $deletion" ;;
      ACTIVE/NONE) fail "$NO_SLICE" "$name was deleted while it waited" ;;
      *) pause ;;
    esac
    look "$ATTEMPTS"
  done
}

end_all() {  # again and again, as a worker may connect only after another has failed
  while true; do
    on_workers "$home/launch/tpu_worker.sh stop" </dev/null || true
    pause
  done
}

watched() {  # COMMAND: runs it on all workers, keeps what they say, and ends all when one fails
  local line ending=""
  on_workers "$1" 2>&1 | tee -a "$log" | {
    while IFS= read -r line; do
      printf '%s\n' "$line"
      case "$line" in  # what programs say comes as `[worker N] ...`, so it cannot be mistaken for these
        "worker "[0-9]*": "*" failed with code "*)
          [ -z "$ending" ] || continue
          printf '%s\n' "$line" >"$scratch/failed"
          end_all &
          ending=$!
          ;;
        "worker "[0-9]*": is busy with another run") printf '%s\n' "$line" >"$scratch/busy" ;;
        "worker "[0-9]*": run was stopped") printf '%s\n' "$line" >"$scratch/stopped" ;;
      esac
    done
    [ -z "$ending" ] || kill "$ending"
  }
}

job() {
  # In a process group of its own, so that Ctrl-C reaches this script only, which then ends the whole group: by itself
  # gcloud would answer an interrupted ssh with ten new connections.
  set -m
  "$@" </dev/null &
  job=$!
  set +m
  local code=0
  wait "$job" || code=$?
  job=""
  return "$code"
}

install_and_run() {
  local clone="git clone --quiet --config=advice.detachedHead=false next-jax.bundle $home.part"
  say "installing commit $commit on the workers of $name"
  rm -f "$scratch/failed" "$scratch/busy" "$scratch/stopped"
  job tpus tpu-vm scp "$scratch/next-jax.bundle" "$name:next-jax.bundle" --worker=all || return
  job watched "{ test -d $home || { rm -rf $home.part && $clone && mv $home.part $home; }; } && \
$home/launch/tpu_worker.sh install $requirements" || return
  say "running on $name; the log is also in $log"
  job watched "$home/launch/tpu_worker.sh run $arguments"
}

preempted() {
  local node initiator
  look "$ATTEMPTS"
  case "$state" in
    ACTIVE)  # the node may be ahead of its queued resource
      node="$(tpus tpu-vm describe "$name" --format='value(state)')"
      [ "$node" = PREEMPTED ] || [ "$node" = TERMINATED ] ;;
    SUSPENDING | SUSPENDED)
      initiator="$(tpus queued-resources describe "$name" --format='value(state.stateInitiator)')"
      [ "$initiator" != USER ] || fail "$NO_SLICE" "$name was deleted by its user, and is not asked for again" ;;
    *) fail "$NO_SLICE" "$name is $state, which is no preemption, and is not asked for again" ;;
  esac
}

end() {  # CODE: what becomes of the slice
  if [ -n "$delete" ]; then
    remove || say "error: could not delete $name; it costs until it is deleted: $deletion"
  else
    say "$name stays and costs until it is deleted: $deletion"
  fi
  exit "$1"
}

interrupted() {
  trap - INT TERM HUP
  [ -z "$job" ] || kill -TERM -- "-$job" 2>/dev/null || true
  say "interrupted. $name stays, what runs on it goes on, and it costs until it is deleted."
  say "The same command shows the log again. To delete it: $deletion"
  exit "$INTERRUPTED"
}

run() {
  local lost=0 line
  until acquire && install_and_run; do
    pause  # the state of a slice lags behind what happens to it
    if preempted; then
      say "$name was preempted; asking again, and the run will go on from $workdir"
      remove || pause
      asked="" lost=0
    elif [ -s "$scratch/failed" ]; then
      line="$(cat "$scratch/failed")"
      say "error: $line; the end of its log:"
      grep -F "[${line%%:*}]" "$log" | tail -n 40 >&2
      end "$FAILED"
    elif [ -s "$scratch/busy" ]; then
      fail "$FAILED" "$name goes on with another run: give that run's command to see it, take another --name, or end it:
  gcloud $(quoted compute tpus tpu-vm ssh "$name" "${where[@]}" --worker=all \
    --command="$home/launch/tpu_worker.sh stop")"
    elif [ -s "$scratch/stopped" ]; then
      say "error: $(cat "$scratch/stopped"), and not by this script; the same command goes on with it"
      end "$FAILED"
    else
      lost=$((lost + 1))
      if [ "$lost" = "$ATTEMPTS" ]; then
        say "error: could not reach the workers of $name"
        end "$FAILED"
      fi
      say "lost the connection to $name; trying again"
    fi
  done
  if cloud storage cp --recursive "$workdir/report" "$out/"; then
    say "the report: $out/report/index.html"
  else
    say "there is no report at $workdir/report"
  fi
  end 0
}

parse() {  # sets the options, and `rest` to what follows `--`
  local argument option
  name="" type="" zone="" workdir="" project="" tier="" runtime_version="" out="" delete="" dry_run=""
  create_flags=() rest=()
  while [ $# -gt 0 ]; do
    argument="$1"
    shift
    case "$argument" in
      --name=* | --type=* | --zone=* | --workdir=* | --project=* | --runtime_version=* | --out=*)
        option="${argument%%=*}"
        printf -v "${option#--}" %s "${argument#*=}" ;;
      --create_flag=*) create_flags+=("${argument#*=}") ;;
      --spot | --reserved)
        [ "${tier:-$argument}" = "$argument" ] || fail "$USAGE" "found --spot and --reserved, expected one of them"
        tier="$argument" ;;
      --delete | --dry_run) printf -v "${argument#--}" yes ;;
      --help)
        sed -n '2,/^# shellcheck/{/^# shellcheck/!s/^# \{0,1\}//p;}' launch/tpu_run.sh
        exit 0 ;;
      --)
        rest=("$@")
        return ;;
      *) fail "$USAGE" "found $argument, expected what --help lists, and what is for next-jax after \`--\`" ;;
    esac
  done
}

need() {  # OPTION...
  local option
  for option; do
    [ -n "${!option}" ] || fail "$USAGE" "--$option: found nothing, expected a value; --help shows an example"
  done
}

check() {  # what is asked for, before it costs anything
  local argument
  need type workdir
  [ "${#rest[@]}" -gt 0 ] || fail "$USAGE" "found nothing after \`--\`, expected what is for next-jax: --gin_file=..."
  case "$workdir" in
    gs://?*) ;;
    *) fail "$USAGE" "--workdir: found $workdir, expected gs://...; a disk goes with its slice" ;;
  esac
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

main() {
  parse "$@"
  command -v gcloud >/dev/null || fail "$USAGE" "found no gcloud on PATH; see https://cloud.google.com/sdk/docs/install"
  need name zone
  where=(--zone="$zone")
  [ -z "$project" ] || where+=(--project="$project")
  [ -z "$tier" ] || create_flags+=("$tier")
  deletion="gcloud $(quoted compute tpus queued-resources delete "$name" --force "${where[@]}")"
  scratch="$(mktemp -d)"
  asked="" job=""
  exec 3>&1
  trap 'rm -rf "$scratch"' EXIT
  if [ -n "$delete" ] && [ "${#rest[@]}" = 0 ]; then
    remove
    exit
  fi
  check
  home="next-jax-$commit"
  arguments="$(quoted "${rest[@]}" "--gin.WORKDIR='$workdir'")"
  requirements=""
  case "$arguments" in *t5x*) requirements=requirements/t5x.txt ;; esac
  out="${out:-runs/$name}"
  log=/dev/null
  if [ -z "$dry_run" ]; then
    mkdir -p "$out"
    log="$out/tpu_run.log"
    git bundle create --quiet "$scratch/next-jax.bundle" HEAD
  fi
  trap interrupted INT TERM HUP
  run
}

main "$@"
