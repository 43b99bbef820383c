#!/usr/bin/env bash
# Makes the environment with the test extra and passes the tests. Arguments go to pytest, for example
#   launch/test.sh -m 'not slow'
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
install_project test
exec python -m pytest "$@"
