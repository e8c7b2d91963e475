#!/usr/bin/env bash
# Builds seal-processor. Clones share the folder of builds, so each takes a copy of its own: sealing/cache.py looks there
# first.
source "$(dirname "$0")/lib.sh"

own=$ROOT/.venv/bin/seal-processor

need cargo "to build seal-processor" "https://rustup.rs, Rust 1.89 or newer"
need cc "to build seal-processor" "apt-get install gcc"
one_at_a_time processor
say "building seal-processor (usually 4 to 5 minutes on 2 cores, 1 s when it is built)"
cd "$ROOT/seal-processor"
CARGO_TARGET_DIR=$CACHE/target quietly processor cargo build --release --locked
built=$CACHE/target/release/seal-processor
if ! cmp --silent "$built" "$own"; then
  cp "$built" "$own.new"
  mv -f "$own.new" "$own"
fi
