#!/usr/bin/env bash
# Installs the project with the test extra and runs the tests, one file at a time in each of up to 4 processes.
# Arguments go to pytest, for example
#   launch/test.sh -m 'not slow'
#   launch/test.sh -n 0 -x tests/test_schema.py    # in one process, for a debugger
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
install_project test
# Many tests wait for processes of their own, so there are half as many more processes than cores.
workers=$(($(nproc) * 3 / 2))
# pytest-xdist would start the files with the most tests first, but the longest files have few tests.
exec python -m pytest -n "$((workers < 4 ? workers : 4))" --dist loadfile --no-loadscope-reorder "$@"
