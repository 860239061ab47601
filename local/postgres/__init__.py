"""A PostgreSQL server of our own, from a Python package, in a folder."""
