#!/usr/bin/env bash
# Says what is newer than what is locked, and asks for known weaknesses of it: OSV about Python's packages, RustSec about
# crates. The first needs the registries alone, the second api.osv.dev and github.com.
source "$(dirname "$0")/lib.sh"

CARGO_AUDIT_VERSION=0.22.2
UV=$CACHE/bootstrap/bin/uv
CARGO_AUDIT=$CACHE/cargo-audit/bin/cargo-audit

# reached NAME COMMAND…: run and show it; tell a weakness, which is a failure, from advisories that are out of reach.
reached() {
  local name=$1 log=$LOGS/audit-$1.log status=0
  shift
  "$@" 2>&1 9>&- </dev/null | tee "$log" || status=$?
  [[ $status -eq 0 ]] && return
  grep -qiE "dns error|resolve host|error sending request|failed to (fetch|clone)|couldn't fetch" "$log" &&
    say "the advisories about $name could not be asked: they are on the internet, and this machine does not reach them"
  failed+=("$name")
}

failed=()
say "what is newer than uv.lock and Cargo.lock"
cd "$ROOT"
"$UV" lock --upgrade --dry-run
if command -v cargo >/dev/null; then
  cargo update --dry-run --manifest-path "$ROOT/seal-processor/Cargo.toml"
fi

say "known weaknesses of what is locked"
reached Python "$UV" audit --frozen --preview-features audit-command
if command -v cargo >/dev/null; then
  one_at_a_time audit
  if [[ "$("$CARGO_AUDIT" --version 2>/dev/null)" != *" $CARGO_AUDIT_VERSION" ]]; then
    say "building cargo-audit $CARGO_AUDIT_VERSION (some minutes on 2 cores, once)"
    quietly cargo-audit cargo install cargo-audit --locked --root "$CACHE/cargo-audit" --version "$CARGO_AUDIT_VERSION"
  fi
  reached Rust "$CARGO_AUDIT" audit --file "$ROOT/seal-processor/Cargo.lock"
fi
[[ ${#failed[@]} -eq 0 ]] || fail "not all is known to be well: ${failed[*]}"
