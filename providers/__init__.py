"""External systems: network but no tables. providers/instances.py builds the objects."""
