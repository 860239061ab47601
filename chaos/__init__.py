"""Survival, judged: customers who never stop, parts that die under them, and an audit afterwards.

Like bench/ and judge/ it is for developers only; everything runs on loopback, in bounded time, as
processes of its own with a database of its own.
"""
