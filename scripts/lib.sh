# Shared by the set-up's scripts: source it. sealing/cache.py knows the same places.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${SEALFLOW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sealflow}
LOGS=$ROOT/.setup/logs
mkdir -p "$CACHE" "$LOGS"

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# need PROGRAM WHAT-FOR HOW-TO-GET
need() {
  command -v "$1" >/dev/null || fail "$1 is missing, needed $2." "to get it: $3"
}

# one_at_a_time NAME: wait until no other set-up of this user does the same step, then hold it until this script ends.
# The programs that a step runs do not inherit the lock: see quietly.
one_at_a_time() {
  need flock "so that two set-ups do not collide" "apt-get install util-linux"
  exec 9>"$CACHE/.$1.lock"
  flock --nonblock 9 && return
  say "$1: another set-up is at it; waiting for it to end"
  flock 9
}

# quietly NAME COMMAND…: run with the output in a log, of which a failure shows the end.
quietly() {
  local log=$LOGS/$1.log
  shift
  "$@" >"$log" 2>&1 9>&- </dev/null && return
  tail -n 25 "$log" >&2
  fail "failed: $*" "the whole output is in $log; set-up can be started again, it goes on where it stopped"
}
