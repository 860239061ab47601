"""What a notification of the workers costs: `make bench-commits`."""
