"""The operator's commands by noun; cli.py joins them."""
