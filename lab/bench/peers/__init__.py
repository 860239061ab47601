"""The same six operations, written with another framework."""
