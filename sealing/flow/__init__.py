"""The flows as data. ``table`` has the types and their checks, ``sealer`` and ``snapup`` the two tables."""
