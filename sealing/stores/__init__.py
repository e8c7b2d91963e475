"""Where files are and how they move."""
