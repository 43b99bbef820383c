#!/usr/bin/env bash
# Makes the environment with the test extra and passes the tests, a file at a time on each of up to 4 cores.
# Arguments go to pytest, for example
#   launch/test.sh -m 'not slow'
#   launch/test.sh -n 0 -x tests/test_schema.py    # in one process, as a debugger wants it
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
install_project test
# Not in the order of how many tests they have, in which the longest files, of few tests, would come last.
exec python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
