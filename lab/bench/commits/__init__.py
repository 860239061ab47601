"""What a notice to the workers costs: `make bench-commits`."""
