"""Tables, connections and migrations. Those who use them need only these names."""

from db.session import reading, snapshot, transaction
from db.statements import Reader, Record, Statement

__all__ = ["Reader", "Record", "Statement", "reading", "snapshot", "transaction"]
