"""Tests: their docstrings state the behaviour."""
