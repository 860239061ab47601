"""Tables, connections and migrations. Entry points need only these three blocks."""

from db.session import Reader, Record, reading, snapshot, transaction

__all__ = ["Reader", "Record", "reading", "snapshot", "transaction"]
