"""External systems: network but no tables. providers/registry.py builds the objects."""
