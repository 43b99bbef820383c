#!/usr/bin/env bash
# Installs the project with the test extra and runs the tests on up to 4 cores, one file at a time on each.
# Arguments go to pytest, for example
#   launch/test.sh -m 'not slow'
#   launch/test.sh -n 0 -x tests/test_schema.py    # in one process, for a debugger
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
install_project test
# pytest-xdist would start the files with the most tests first, but the longest files have few tests.
exec python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
