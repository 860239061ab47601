"""Libraries are used by the names they document; what must stay otherwise is in one table."""

from __future__ import annotations

import pytest

from tests.house.code import Source, sources, sources_of
from tests.house.library_names import Code

# They name, in tables and examples, what nobody else may.
ABOUT_NAMES = {"tests/house/library_names.py", "tests/house/test_private_names.py"}
SOURCES = [*sources(), *sources_of("clients"), *sources_of("lab"), *sources_of("tests")]

# (file, name): why it stays, and what would replace it.
STAYS = {
    ("db/statements.py", "required"): (
        "no documented name tells a parameter that waits for its value from one that has it, None "
        "included; a list of its parameters beside each clause would, if somebody keeps it true"
    ),
    ("gunicorn.conf.py", "access_log_enabled"): (
        "no setting says that gunicorn shall log its own lines by logconfig_dict and none for each "
        "request: it would build them, for 24 microseconds each, and throw them away"
    ),
    ("gunicorn.conf.py", "server.cfg"): (
        "what is in force: the command line, as `--bind` of several servers on one machine, wins "
        "over the globals of that file; a hook that is given the settings would replace it"
    ),
    ("tests/providers/payments/test_stripe.py", "_api_encode"): (
        "our forms are compared with those of Stripe's own library, which documents no function "
        "that makes one without sending it; such a function would replace it"
    ),
    ("tests/providers/payments/test_stripe.py", "_encode"): "the module of _api_encode",
    ("web/files.py", "chunk_size"): (
        "by the 64 KiB of FileResponse a download would go to a thread and back four times as "
        "often; an argument for the size would replace it"
    ),
}

OUR_STORE = Source(
    "providers/planted_store.py",
    "class Store:\n"
    "    def __init__(self): self._transaction = self._z_of_ours = 1\n"
    "_transaction = 1\n",
)
IMPORTED = "from providers.planted_store import Store\n"


def found_in(code: str, *others: Source) -> set[str]:
    """What a file with this code uses of libraries that they do not document."""
    ours = Code([Source("web/planted.py", code), *others])
    return ours.found_in(ours.files[0])


def test_no_private_or_undocumented_name_of_a_library_is_used_but_those_in_the_table() -> None:
    ours = Code(SOURCES)
    read = [file for file in ours.files if file.name not in ABOUT_NAMES]
    assert {(file.name, name) for file in read for name in ours.found_in(file)} == STAYS.keys()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from flask.globals import _cv_app", "_cv_app"),
        ("import asyncio._impl", "_impl"),
        ("from asyncio import sslproto", "sslproto"),
        ("import connexion\nconnexion.App()._middleware_app", "_middleware_app"),
        ("class A:\n    def f(self): return self._operation", "_operation"),
        ("import logging\n_root = None\nlogging._root = None", "_root"),
        ("import asyncio\n_x = None\nasyncio.events._x", "_x"),
        ("from gunicorn import util\ndef _x(): ...\nutil._x()", "_x"),
        ("import connexion\nscope['connexion_context']", "connexion_context"),
        ("import sqlalchemy\nengine.dispatch.before_cursor_execute", "dispatch"),
        ("from web.app import served\nserved['connexion_context']", "connexion_context"),
        ("def f(app): app.middleware_stack", "middleware_stack"),
        ("def f(app): app.middleware_stack = None", "middleware_stack"),
        ("def f(app): app.router.redirect_slashes = False", "redirect_slashes"),
        ("connection.dispatch", "dispatch"),
        ("def f(server): return server.cfg.bind", "server.cfg"),
        ("def f(worker): return worker.sockets", "worker.sockets"),
        ("import sqlalchemy\ndef f(x: sqlalchemy._Secret): ...", "_Secret"),
    ],
)
def test_a_planted_use_is_found(code: str, name: str) -> None:
    assert found_in(code) == {name}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (
            "from connexion.spec import Specification\n"
            "class A(Specification):\n    def _validate_spec(self): ...",
            "_validate_spec",
        ),
        (
            "from gunicorn import glogging\n"
            "class A(glogging.Logger):\n    def _set_handler(self): ...",
            "_set_handler",
        ),
        (
            "import gunicorn.glogging\n"
            "class A(gunicorn.glogging.Logger):\n    def _set_handler(self): ...",
            "_set_handler",
        ),
        (
            "from gunicorn import glogging\n"
            "class A(glogging.Logger):\n    access_log_enabled = False",
            "access_log_enabled",
        ),
        (
            "from starlette.responses import FileResponse\n"
            "class A(FileResponse):\n    chunk_size = 1",
            "chunk_size",
        ),
        (
            "from sqlalchemy.orm import Session\n"
            "class A(Session): ...\n"
            "class B(A):\n    def f(self): return self._transaction\n"
            "class C:\n    _transaction = None",
            "_transaction",
        ),
    ],
)
def test_what_a_class_takes_from_its_library_s_base_is_found(code: str, name: str) -> None:
    assert found_in(code) == {name}


def test_so_is_what_it_takes_by_way_of_another_class_of_ours() -> None:
    base = "from sqlalchemy.orm import Session\nclass Ours(Session): ..."
    code = (
        "from web.planted_base import Ours\n"
        "class A(Ours):\n    def f(self): self._transaction = None"
    )
    assert found_in(code, Source("web/planted_base.py", base)) == {"_transaction"}


@pytest.mark.parametrize(
    "code",
    [
        "def f(session): return session._transaction",
        "def f(session: Any): return session._transaction",
        "_transaction = 1\nsession._transaction",
        "class A:\n    _transaction = 1\nsession._transaction",
        f"{IMPORTED}def f(session): return session._transaction",
        "from sqlalchemy.orm import Session\ndef f(session: Session): session._transaction",
        f"{IMPORTED}from sqlalchemy.orm import Session\n"
        "def f(x: Session | Store): return x._transaction",
        f"{IMPORTED}def f(s: Store): ...\ndef g(s): return s._transaction",
        f"{IMPORTED}def f(s: Store): ...\nwith transaction() as s:\n    s._transaction",
        "getattr(session, '_transaction')",
        "setattr(session, '_transaction', None)",
        f"{IMPORTED}all_of_them[0] = Store()\nf(session)._transaction",
        "operator.attrgetter('_transaction')(session)",
        "monkeypatch.setattr(session, '_transaction', None)",
        "monkeypatch.setattr('sqlalchemy.orm.Session._transaction', None)",
    ],
)
def test_a_private_name_that_we_have_too_is_found_where_its_owner_may_be_a_library_s(
    code: str,
) -> None:
    assert found_in(code, OUR_STORE) == {"_transaction"}


@pytest.mark.parametrize(
    "code",
    [
        "from web.app import _lanes",
        "class A:\n    def __init__(self): self._x = 1\n    def f(self): return self._x",
        "def f(other): return other._z_of_ours",
        "getattr(other, '_z_of_ours')",
        "from providers import planted_store\nplanted_store._transaction",
        "class A(Base):\n    __slots__ = ('_transaction',)\n"
        "    def f(self, other: A): return self._transaction, other._transaction",
        f"{IMPORTED}def f(store: Store): return store._transaction",
        f"{IMPORTED}class A(Store):\n    def f(self): return self._transaction",
        f"{IMPORTED}store = Store()\nstore._transaction",
        f"{IMPORTED}def made() -> Store: ...\nstore = made()\nstore._transaction",
        "class A:\n    required = True\ndef f(a): return a.required",
    ],
)
def test_our_own_names_are_nobody_else_s_business(code: str) -> None:
    assert found_in(code, OUR_STORE) == set()


def test_a_name_that_others_document_is_looked_for_only_beside_the_library_that_does_not() -> None:
    code = "def f(connection): return connection.sock"
    assert found_in(f"import asyncio\n{code}") == set()
    assert found_in(f"import gunicorn\n{code}") == {"sock"}
