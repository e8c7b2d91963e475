#!/usr/bin/env bash
# Lints and tests seal-processor: the tests of its own, in the shared folder of builds.
source "$(dirname "$0")/lib.sh"

need cargo "to test seal-processor" "https://rustup.rs, Rust 1.89 or newer"
one_at_a_time processor
cd "$ROOT/seal-processor"
export CARGO_TARGET_DIR=$CACHE/target
if cargo clippy --version >/dev/null 2>&1; then
  say "linting seal-processor (usually 1 to 2 minutes, some seconds when nothing changed)"
  quietly rustlint cargo clippy --release --locked --all-targets -- --deny warnings
else
  say "no cargo clippy here: seal-processor is not linted; rustup component add clippy"
fi
say "testing seal-processor (usually 1 to 2 minutes, some seconds when it is built)"
quietly rusttest cargo test --release --locked
grep --no-filename "^test result" "$LOGS/rusttest.log"
