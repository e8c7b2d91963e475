#!/usr/bin/env bash
# Gets the temporal command, with its development server and Web UI: a setting's, PATH's, the cache's, or builds it.
source "$(dirname "$0")/lib.sh"

# The newest version that go install takes: the later ones have a replace directive.
VERSION=v1.5.1

if [[ -n "${SEALFLOW_TEMPORAL:-}" ]]; then
  command -v "$SEALFLOW_TEMPORAL" >/dev/null || fail "SEALFLOW_TEMPORAL names $SEALFLOW_TEMPORAL, which is no program"
  exit
fi
command -v temporal >/dev/null && exit
one_at_a_time temporal
if [[ -x "$CACHE/bin/temporal" ]]; then
  say "the temporal command is in $CACHE/bin"
  exit
fi
need go "to build the temporal command" "https://go.dev/dl, or put a temporal command into PATH: https://docs.temporal.io/cli"
say "building the temporal command $VERSION (usually 3 to 5 minutes on 2 cores, once)"
# Built beside its place and moved there whole, so that what is there is always complete.
building=$CACHE/bin/.building
mkdir -p "$building"
GOBIN=$building quietly temporal go install "github.com/temporalio/cli/cmd/temporal@$VERSION"
mv -f "$building/temporal" "$CACHE/bin/temporal"
rmdir "$building"
