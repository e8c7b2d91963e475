#!/bin/sh
# Makes the namespace, or sets how long it keeps closed workflows: 90 days. Runs at every start. The server's address is
# TEMPORAL_ADDRESS, the namespace TEMPORAL_NAMESPACE.
set -eu

retention=2160h
# Named each time: these commands do not look at TEMPORAL_NAMESPACE themselves.
if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
  exit
fi
temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
# The server's parts learn of it within seconds: those that start after this script shall find it.
for _ in $(seq 60); do
  temporal workflow count --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 && exit
  sleep 1
done
echo "namespace $TEMPORAL_NAMESPACE was made, and the server does not know it after a minute" >&2
exit 1
