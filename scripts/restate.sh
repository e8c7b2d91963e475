#!/usr/bin/env bash
# Gets Restate's server for the comparison of engines, from the npm package that holds its program. Nothing of the product
# uses it. Its licence is the Business Source License: it may be run, not offered as a service.
source "$(dirname "$0")/lib.sh"

# bench/engines/servers.py knows where it is put.
VERSION=1.7.12

one_at_a_time restate
place=$CACHE/restate
if [[ "$(cat "$place/version" 2>/dev/null)" == "$VERSION" ]]; then
  say "Restate's server $VERSION is in $place"
  exit
fi
need npm "to get Restate's server" "apt-get install npm"
case "$(uname -sm)" in
  "Linux x86_64") platform=linux-x64 ;;
  "Linux aarch64") platform=linux-arm64 ;;
  *) fail "Restate's server has no package for $(uname -sm)." \
    "to measure without it: .venv/bin/python -m bench.engines --only dbos-async --only dbos-sync --only sqlite" ;;
esac
say "Restate's server $VERSION into $place (80 MB)"
# Unpacked beside its place and moved there whole, so that what is there is always complete.
building=$CACHE/.building-restate
rm -rf "$building"
mkdir -p "$building"
quietly restate npm pack --pack-destination "$building" "@restatedev/restate-server-$platform@$VERSION"
tar -xzf "$building"/*.tgz -C "$building" package/bin/restate-server package/LICENSE
mv "$building/package/bin/restate-server" "$building/package/LICENSE" "$building"
rm -r "$building/package" "$building"/*.tgz
printf '%s\n' "$VERSION" >"$building/version"
rm -rf "$place"
mv "$building" "$place"
