#!/usr/bin/env bash
# Checks the Rust code's format. Not every cargo comes with rustfmt.
source "$(dirname "$0")/lib.sh"

if cargo fmt --version >/dev/null 2>&1; then
  exec cargo fmt --check --manifest-path "$ROOT/seal-processor/Cargo.toml"
fi
say "no rustfmt: the Rust code's format is not checked; to get it: rustup component add rustfmt"
