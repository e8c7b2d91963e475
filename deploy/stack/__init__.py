"""A production server with all that belongs to it, as processes on this machine: what docker-compose.yml describes."""
