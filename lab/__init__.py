"""What measures and attacks the product from outside. Never shipped."""
