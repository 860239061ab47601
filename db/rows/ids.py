"""How ids look in rows."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

# In lists that are only shown, ids are the text that the database sends: see Table.shown().
Id = TypeVar("Id", UUID, str)
