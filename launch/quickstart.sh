#!/usr/bin/env bash
# Goes from a fresh clone to a better model and a report. Arguments go to `next-jax run`, for example
#   launch/quickstart.sh --gin.WORKDIR="'/tmp/quickstart'"
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/environment.sh
install_project
exec next-jax run --gin_file=gin_configs/quickstart.gin "$@"
