#!/usr/bin/env bash
# Builds what a production Temporal server consists of: the server, the tool that makes its tables, and the Web UI.
source "$(dirname "$0")/lib.sh"

# The newest that Go 1.25 builds, and the Web UI of the same months. deploy/stack/programs.py knows where they are put.
VERSION=v1.29.1
UI_VERSION=v2.42.1

one_at_a_time server
place=$CACHE/temporal-server
if [[ "$(cat "$place/version" 2>/dev/null)" == "$VERSION $UI_VERSION" ]]; then
  say "the Temporal server $VERSION is in $place"
  exit
fi
need go "to build the Temporal server" "https://go.dev/dl"
say "building the Temporal server $VERSION (usually 3 to 5 minutes on 2 cores, once)"
# Built beside its place and moved there whole, so that what is there is always complete.
building=$CACHE/.building-server
rm -rf "$building"
mkdir -p "$building"
# get NAME MODULE: build a program, named NAME. Each is called by its folder's name, and two are called server.
get() {
  GOBIN=$building/bin quietly "$1" go install "$2"
  mv "$building/bin/"* "$building/$1"
}

get temporal-server "go.temporal.io/server/cmd/server@$VERSION"
get temporal-sql-tool "go.temporal.io/server/cmd/tools/sql@$VERSION"
get temporal-ui-server "github.com/temporalio/ui-server/v2/cmd/server@$UI_VERSION"
rmdir "$building/bin"
printf '%s\n' "$VERSION $UI_VERSION" >"$building/version"
rm -rf "$place"
mv "$building" "$place"
