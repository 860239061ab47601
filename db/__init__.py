"""Tables, connections and migrations. Entry points need only these two."""

from db.session import reading, transaction

__all__ = ["reading", "transaction"]
