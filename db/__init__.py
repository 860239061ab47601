"""Tables, connections and migrations. Entry points need only these three."""

from db.session import reading, snapshot, transaction

__all__ = ["reading", "snapshot", "transaction"]
