"""The steps of the flows, one kind a file: what they do, what can go wrong, and who recovers."""
