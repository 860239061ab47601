"""Whole runs of the tests in a row, every second one beside programs that keep the machine busy.

A test that fails now and then is a test that nobody believes; here it shows.
"""
