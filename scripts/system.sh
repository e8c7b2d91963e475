#!/usr/bin/env bash
# Installs the system's packages that tests need. A test that misses one is skipped and says so; .ci/run calls this first.
source "$(dirname "$0")/lib.sh"

# chromium is the browser that the tests of Temporal's Web UI drive.
PACKAGES=(chromium)

missing=()
for package in "${PACKAGES[@]}"; do
  dpkg --status "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  say "every system package that the tests need is there"
  exit
fi
need apt-get "to install ${missing[*]}" "install them by this system's own means"
as_root=()
[[ $EUID -eq 0 ]] || as_root=(sudo)
say "installing ${missing[*]} (usually a minute)"
quietly apt-update "${as_root[@]}" apt-get update
quietly apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
