"""Outside judges of contract and running server: `make judge`, see lab/judge/README.md."""
