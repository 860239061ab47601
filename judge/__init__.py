"""External judges of the contract and of the running server: `make judge`, see judge/README.md."""
