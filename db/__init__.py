"""Tables, connections and migrations. Those who use them need only these names."""

from db.session import reading, savepoint, snapshot, transaction
from db.statements import Reader, Record, Statement

__all__ = ["Reader", "Record", "Statement", "reading", "savepoint", "snapshot", "transaction"]
