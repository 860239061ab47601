"""What statements return: one frozen type for each noun, with the names of its table's columns.

A field is a column of the model with the same name in db/models; the comment says so where it comes
from elsewhere. Handlers write these rows as the contract's components (handlers/schemas.py).
"""

from db.rows.events import EventRow
from db.rows.support import SupportRequestRow
from db.rows.users import UserRow

__all__ = ["EventRow", "SupportRequestRow", "UserRow"]
