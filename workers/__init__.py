"""Programs: assembly of the worker, the command line, the demo."""
