"""Operators' own clients against a sector: the command lines of Temporal, and its Web UI in a browser."""
