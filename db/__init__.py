"""Tables, connections and migrations. Those who use them need only these names."""

from db.commits import commit_wait_seconds
from db.connections import close_connections
from db.session import (
    TooMuchError,
    after_commit,
    allow_seconds,
    browsing,
    counting,
    reading,
    snapshot,
    transaction,
)
from db.statements import Query, Reader, scalar, statement, write

__all__ = [
    "Query",
    "Reader",
    "TooMuchError",
    "browsing",
    "after_commit",
    "commit_wait_seconds",
    "allow_seconds",
    "close_connections",
    "counting",
    "reading",
    "scalar",
    "snapshot",
    "statement",
    "transaction",
    "write",
]
