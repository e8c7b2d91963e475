"""The embedded manager and its chain, for one machine."""
