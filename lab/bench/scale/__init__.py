"""The same operations with 10 thousand users and with a million: `make bench-scale`."""
