"""Tests of sealing.devnet."""
