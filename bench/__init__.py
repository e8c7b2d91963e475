"""Measurements, each a program that prints its figures: see the Makefile's bench targets."""
