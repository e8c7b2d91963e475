#!/usr/bin/env bash
# Generates the proof parameters of 2 KiB sectors. The program writes each file whole, takes up those that are there, and
# waits for another that is at it.
source "$(dirname "$0")/lib.sh"

export FIL_PROOFS_PARAMETER_CACHE=${FIL_PROOFS_PARAMETER_CACHE:-$CACHE/proof-parameters}
program=("$ROOT/.venv/bin/seal-processor" params --sector-size 2KiB --kind all --cache "$FIL_PROOFS_PARAMETER_CACHE")

if "${program[@]}" --check >"$LOGS/parameters.log" 2>&1; then
  say "the proof parameters are in $FIL_PROOFS_PARAMETER_CACHE"
  exit
fi
say "proof parameters of 2 KiB sectors into $FIL_PROOFS_PARAMETER_CACHE (usually 20 minutes on 2 cores, once; 1.8 GB)"
exec "${program[@]}"
