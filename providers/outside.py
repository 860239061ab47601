"""What each call that leaves this process does first."""

from __future__ import annotations

import settings
from errors import database_in_use


class CalledWithDatabase(RuntimeError):
    """A call of the outside within transaction(), reading() or snapshot(): a bug.

    Row locks and a connection would be held for as long as a stranger takes to answer.
    """


def leave(call: str) -> None:
    """CalledWithDatabase while this thread holds a connection; checked in tests only.

    call: names it in the error. Signing a link or a form is no call: it asks nobody.
    """
    if database_in_use.get() and settings.load().environment == "test":
        raise CalledWithDatabase(call)
