"""Tables, connections and migrations. Those who use them need only these names."""

from db.old_statements import Reader, Record, Statement
from db.session import reading, snapshot, transaction
from db.statements import Query, statement, value, write

__all__ = [
    "Query",
    "Reader",
    "Record",
    "Statement",
    "reading",
    "snapshot",
    "statement",
    "transaction",
    "value",
    "write",
]
