#!/usr/bin/env bash
# Builds tctl, the older command line of Temporal, which many operators still use: the tests send its signals.
source "$(dirname "$0")/lib.sh"

# The last version that has it; it is named cli there.
VERSION=v1.15.2

command -v tctl >/dev/null && exit
one_at_a_time tctl
if [[ -x "$CACHE/bin/tctl" ]]; then
  say "tctl is in $CACHE/bin"
  exit
fi
need go "to build tctl" "https://go.dev/dl"
say "building tctl $VERSION (usually 1 to 3 minutes on 2 cores, once)"
# Built beside its place and moved there whole, so that what is there is always complete. A package that it needs reaches
# into Go's own, which newer linkers forbid.
building=$CACHE/bin/.building-tctl
mkdir -p "$building"
GOBIN=$building quietly tctl go install -ldflags=-checklinkname=0 "go.temporal.io/server/cmd/tools/cli@$VERSION"
mv -f "$building/cli" "$CACHE/bin/tctl"
rmdir "$building"
