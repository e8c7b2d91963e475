"""Tests of sealing.config and of the units and addresses that it reads."""
