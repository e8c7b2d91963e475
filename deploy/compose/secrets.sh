#!/bin/sh
# Writes .env and the manager's token, with random values, where they are not there yet; see deploy/env.example.
set -eu
cd "$(dirname "$0")/../.."
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Each file comes into its place whole.
token=deploy/compose/secrets/manager_token
if [ ! -e "$token" ]; then
  mkdir -p "$(dirname "$token")"
  random >"$token.new"
  chmod 644 "$token.new"
  mv "$token.new" "$token"
  echo "wrote $token"
fi
if [ ! -e .env ]; then
  while IFS= read -r line; do
    case $line in
      *_PASSWORD=) echo "$line$(random)" ;;
      *) echo "$line" ;;
    esac
  done <deploy/env.example >.env.new
  mv .env.new .env
  echo "wrote .env"
fi
