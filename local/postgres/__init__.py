"""A PostgreSQL server in a folder, with programs from a Python package."""
