"""Tests of sealing.processors."""
