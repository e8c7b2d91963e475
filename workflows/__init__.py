"""The workflows: one machine that runs every flow, and the threads that feed it."""
