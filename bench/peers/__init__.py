"""The same six operations as others would write them."""
