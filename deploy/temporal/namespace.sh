#!/bin/sh
# Makes the namespace, or sets how long it keeps closed workflows: 90 days. Runs at every start. The server's address is
# TEMPORAL_ADDRESS, the namespace TEMPORAL_NAMESPACE.
set -eu

retention=2160h
if temporal operator namespace describe >/dev/null 2>&1; then
  temporal operator namespace update --retention "$retention"
else
  temporal operator namespace create --retention "$retention"
fi
