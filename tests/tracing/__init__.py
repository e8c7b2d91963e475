"""Traces, as a collector gets them, and the log lines that name them."""
