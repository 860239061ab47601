"""The database's machine dies under load, in every way that can be played on one machine; then the
audit of `make chaos` looks for what was acknowledged and lost.
"""
