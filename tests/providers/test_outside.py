"""While a connection to the database is held, nothing calls the outside; links are signed at any
time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import settings
from db import reading, snapshot, transaction
from providers.fetch import fetch
from providers.http import Transport
from providers.outside import CalledWithDatabase
from providers.payments import yookassa
from providers.storage import Storage
from providers.storage.disk import DiskStorage
from providers.storage.s3 import S3Storage

NOWHERE = "http://127.0.0.1:9"
BLOCKS = (transaction, reading, snapshot)


def stores(folder: Path) -> Iterator[Storage]:
    yield DiskStorage(folder, base_url="http://127.0.0.1")
    yield S3Storage(
        bucket="b",
        endpoint_url=NOWHERE,
        region="us-east-1",
        access_key_id="i",
        secret_access_key="s",
    )


def calls(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each way out, by the name that the error gives it."""
    shop = Transport(yookassa.DIALECT, NOWHERE, authorization=None)  # as all three providers
    yield "yookassa get", lambda: shop.get("/payments/1", call="get")
    yield "yookassa post", lambda: shop.post("/payments", {}, call="post", key=None)
    yield (
        "fetch",
        lambda: fetch("http://localhost/", io.BytesIO(), max_bytes=1, deadline_seconds=1),
    )
    for store, name in zip(stores(folder), ("storage", "S3"), strict=True):
        yield name, lambda store=store: store.put("k", io.BytesIO(b"1"), content_type="image/jpeg")
        yield name, lambda store=store: store.open("k").__enter__()
        yield name, lambda store=store: store.head("k")
        yield name, lambda store=store: store.delete("k")
        yield name, lambda store=store: store.check()


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_is_called(
    block: Callable[[], AbstractContextManager[object]], database: str, tmp_path: Path
) -> None:
    for name, call in calls(tmp_path):
        with pytest.raises(CalledWithDatabase, match=name), block():
            call()


def test_links_and_forms_are_signed(database: str, tmp_path: Path) -> None:
    with transaction():
        for store in stores(tmp_path):
            assert store.url("k", expires_in=60, content_type="image/jpeg")
            assert store.presign_upload(
                "k", content_type="image/jpeg", max_bytes=1, expires_in=60
            ).fields
            assert store.uri("k")


def test_after_a_block_that_failed_the_outside_is_called_again(
    database: str, tmp_path: Path
) -> None:
    (store, _) = stores(tmp_path)
    with pytest.raises(ZeroDivisionError), transaction():
        with reading():
            pass
        with pytest.raises(CalledWithDatabase):
            store.check()
        raise ZeroDivisionError
    store.check()


def test_in_production_a_customer_does_not_pay_for_our_mistake(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store, _) = stores(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "development")
    settings.load.cache_clear()
    with transaction():
        store.check()
    monkeypatch.undo()
    settings.load.cache_clear()
