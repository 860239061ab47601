"""Tables, connections and migrations. Those who use them need only these names."""

from db.session import after_commit, reading, snapshot, transaction
from db.statements import Query, Reader, scalar, statement, write

__all__ = [
    "Query",
    "Reader",
    "after_commit",
    "reading",
    "scalar",
    "snapshot",
    "statement",
    "transaction",
    "write",
]
