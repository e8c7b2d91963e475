#!/usr/bin/env bash
# Installs the system's packages that tests and the stack need. A test that misses one is skipped and says so; .ci/run
# calls this first.
source "$(dirname "$0")/lib.sh"

# chromium is the browser that the tests of Temporal's Web UI drive; postgresql and prometheus are of the stack, which runs
# them itself, with data of its own.
PACKAGES=(chromium postgresql prometheus)
SERVICES=(postgresql prometheus)
POLICY=/usr/sbin/policy-rc.d

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

# Debian starts a service when its package is installed, unless this script of the machine's says no.
if [[ ! -e $POLICY ]]; then
  trap '"${as_root[@]}" rm -f "$POLICY"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$POLICY" >/dev/null
  "${as_root[@]}" chmod +x "$POLICY"
fi
say "installing ${missing[*]} (usually a minute)"
quietly apt-update "${as_root[@]}" apt-get update
quietly apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
for service in "${SERVICES[@]}"; do
  # Nor at the next boot. One that was there before is its owner's affair.
  if [[ -d /run/systemd/system && " ${missing[*]} " == *" $service "* ]]; then
    quietly disable "${as_root[@]}" systemctl disable "$service"
  fi
done
