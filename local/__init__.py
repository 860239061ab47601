"""One machine: starts, simulates and shows all that the product needs. Never shipped."""
