#!/usr/bin/env bash
# Seals one sector without data by the processor alone: each stage a job, one after the other, and nothing around them.
#
#   alone.sh FOLDER PROOF LAST    LAST is the stage to end with: pc1, pc2, c1, c2 or verify_seal
#
# FOLDER is empty. The environment has PROCESSOR, the program, and as JSON, as it stands in a task, PROVER_ID, SECTOR_ID,
# MINER_ID, TICKET and SEED. In FOLDER/began each stage leaves its name and when it was started, in seconds since 1970.
set -euo pipefail

folder=$1 proof=$2 last=$3
cache=$folder/cache sealed=$folder/sealed unsealed=$folder/unsealed

# stage NAME FIELDS: runs a stage on a task of these fields, and ends the script after the last.
stage() {
  printf '%s %s\n' "$1" "$EPOCHREALTIME" >>"$folder/began"
  printf '{%s}' "$2" >"$folder/$1.task"
  "$PROCESSOR" "$1" --task "$folder/$1.task" --output "$folder/$1.output"
  if [[ $1 == "$last" ]]; then exit; fi
}

# output STAGE: what stands in a task for an earlier stage's output.
output() { printf '{"$file": "%s"}' "$folder/$1.output"; }

# field STAGE NAME: a field of an earlier stage's output that is a list of numbers, such as a commitment.
field() {
  [[ $(<"$folder/$1.output") =~ \"$2\":(\[[^]]*\]) ]]
  printf '"%s": %s' "$2" "${BASH_REMATCH[1]}"
}

registered="\"registered_proof\": \"$proof\""
identity="\"prover_id\": $PROVER_ID, \"sector_id\": $SECTOR_ID"
ticket="\"ticket\": $TICKET"
seed="\"seed\": $SEED"

stage add_pieces "\"seal_proof_type\": \"$proof\", \"pieces\": [], \"staged_filepath\": \"$unsealed\""
stage tree_d "$registered, \"staged_file\": \"$unsealed\", \"cache_dir\": \"$cache\""

pieces="\"piece_infos\": $(output add_pieces)"
files="\"cache_path\": \"$cache\", \"in_path\": \"$unsealed\", \"out_path\": \"$sealed\""
stage pc1 "$registered, $files, $identity, $ticket, $pieces"
stage pc2 "\"pc1out\": $(output pc1), \"cache_dir\": \"$cache\", \"sealed_file\": \"$sealed\""

commitments="$(field pc2 comm_r), $(field pc2 comm_d)"
files="\"cache_path\": \"$cache\", \"replica_path\": \"$sealed\""
stage c1 "$registered, $files, $identity, $ticket, $commitments, $pieces, $seed"
stage c2 "\"c1out\": $(output c1), $identity, \"miner_id\": $MINER_ID"
stage verify_seal "$registered, $commitments, $identity, $ticket, $seed, $(field c2 proof)"
