"""Payloads that the Temporal server cannot read."""
