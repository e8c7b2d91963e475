"""Tests of sealing.pieces."""
