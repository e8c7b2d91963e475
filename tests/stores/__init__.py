"""Tests of sealing.stores."""
