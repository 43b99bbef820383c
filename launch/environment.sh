# shellcheck shell=bash disable=SC2016
# The other scripts source this file. Installs the project into .venv once and puts it on PATH.
# Usage: . launch/environment.sh [EXTRA]

install_project() {
  local extras="${1:-}"
  local python="${PYTHON:-python3}"
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: found $("$python" --version 2>&1), expected Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2
    return 1
  fi
  if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv
  fi
  # The stamp names the contents of setup.py and pyproject.toml and the extras, so that a change installs again.
  local stamp
  stamp=".venv/installed-$(cat setup.py pyproject.toml | cksum | cut -d' ' -f1)-${extras:-none}"
  if [ ! -e "$stamp" ]; then
    echo "installing next-jax${extras:+ with extra '$extras'} into .venv (a few minutes the first time)" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
    touch "$stamp"
  fi
  export PATH="$PWD/.venv/bin:$PATH"
  # TensorFlow only reads data here. Its start-up notices would bury the progress bars.
  export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"
}
