"""The outside world: network but no tables. What is built of it is in providers/instances.py."""
