"""Fault injection under load: customers who never stop, parts that die meanwhile, then an audit.

Everything runs on loopback, in bounded time, as processes of its own with a database of its own.
"""
