"""The rules. Functions take a session first, never commit and never touch the network."""
