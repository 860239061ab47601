"""Writes `livephoto_client/generated` from the contract; `make format` runs it.

It knows OpenAPI 3.1 as far as spec/openapi.yaml uses it, and refuses what it does not know. It is
not part of the wheel.
"""
