"""The production server as it is run on this machine: what runs on it, what it survives, and its command."""
