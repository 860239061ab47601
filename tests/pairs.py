"""A primary and its synchronous standby, for a test that has them for itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import make_url

from local.database import prepare
from local.postgres import throwaway
from local.postgres.embedded import EmbeddedPostgres
from tests import standby


@dataclass
class Pair:
    """Both servers, and the address that names both."""

    primary: EmbeddedPostgres
    primary_url: str
    copy: EmbeddedPostgres
    copy_url: str

    @property
    def url(self) -> str:
        first, second = make_url(self.primary_url), make_url(self.copy_url)
        return (
            f"postgresql://{first.username}:{first.password}@127.0.0.1:{first.port},"
            f"127.0.0.1:{second.port}/{first.database}?target_session_attrs=read-write"
        )


@contextmanager
def running() -> Iterator[Pair]:
    """One for the length of the block; with the tables and prices of a new installation."""
    with throwaway.state_folder("pair") as folder:
        primary = EmbeddedPostgres(folder / "primary")
        try:
            url = primary.start()
            prepare(url)
            copy = standby.make(folder / "primary", url, folder / "copy")
            try:
                port = int((folder / "copy" / "port").read_text())
                copy_url = make_url(url).set(port=port).render_as_string(hide_password=False)
                yield Pair(primary, url, copy, copy_url)
            finally:
                copy.kill()
        finally:
            primary.kill()
            for name in ("primary", "copy"):
                throwaway.remove(folder / name)
