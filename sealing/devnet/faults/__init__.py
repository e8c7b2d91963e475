"""Faults on purpose: what goes wrong in the embedded manager because somebody has ordered it."""
