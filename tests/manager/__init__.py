"""Tests of sealing.manager."""
