#!/usr/bin/env bash
# Builds the check of docker-compose.yml: Docker Compose's own parser, without Docker.
source "$(dirname "$0")/lib.sh"

need go "to build the check of docker-compose.yml" "https://go.dev/dl"
one_at_a_time compose
say "building the check of docker-compose.yml (usually 10 s, 1 s when it is built)"
# Built beside its place and moved there whole, so that what is there is always complete.
building=$CACHE/bin/.building-compose
mkdir -p "$building"
cd "$ROOT/tests/deploy/composecheck"
GOBIN=$building quietly compose go install .
mv -f "$building/composecheck" "$CACHE/bin/composecheck"
rmdir "$building"
