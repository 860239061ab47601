import pytest


@pytest.fixture(autouse=True)
def _database(database: str) -> None:
    """Every test of the rules runs on the real database."""
