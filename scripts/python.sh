#!/usr/bin/env bash
# Makes .venv with what uv.lock says, by a uv of a fixed version that lives in the cache. Arguments go to uv sync.
source "$(dirname "$0")/lib.sh"

UV_VERSION=0.13.9

# The first Python that is new enough; $PYTHON goes before all.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is missing (python3 is $(python3 --version 2>/dev/null || echo 'not there'))." \
    "to get it: apt-get install python3 python3-venv, or name one: make setup PYTHON=/path/to/python3"
}

has_uv() { [[ "$("$CACHE/bootstrap/bin/uv" --version 2>/dev/null)" == "uv $UV_VERSION"* ]]; }

PYTHON=$(find_python)
one_at_a_time python
if ! has_uv; then
  say "uv $UV_VERSION into $CACHE/bootstrap (usually 10 s)"
  "$PYTHON" -c 'import ensurepip' 2>/dev/null ||
    fail "$PYTHON cannot make virtual environments." "to get it: apt-get install python3-venv"
  quietly uv-venv "$PYTHON" -m venv --clear "$CACHE/bootstrap"
  quietly uv "$CACHE/bootstrap/bin/pip" install --disable-pip-version-check "uv==$UV_VERSION"
fi
say "Python packages into .venv (usually 30 s, 1 s when they are there)"
cd "$ROOT"
UV_PYTHON_DOWNLOADS=never UV_PYTHON=$PYTHON quietly packages "$CACHE/bootstrap/bin/uv" sync --frozen "$@"
