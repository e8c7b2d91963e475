"""A fleet by simulation: what admission makes of machines that nobody here has."""
