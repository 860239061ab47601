"""The same six operations, written with other frameworks."""
