"""Tables, connections and migrations. Entry points need only these four blocks."""

from db.session import reading, savepoint, snapshot, transaction
from db.statements import Reader, Record, Statement

__all__ = ["Reader", "Record", "Statement", "reading", "savepoint", "snapshot", "transaction"]
