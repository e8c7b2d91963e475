"""Tests of files as storage providers have them."""
