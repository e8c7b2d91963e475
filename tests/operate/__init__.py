"""The operators' commands, run as programs, and what the manager calls on a worker."""
