"""Writes everything kept about a person into a ZIP: JSON of the rows, and the files themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import orjson

from db import snapshot
from db.rows import UserRow
from providers import registry
from providers.storage import ObjectMissing
from services import erasure, export

README = "README.txt"
_ABOUT = """Всё, что сервис «Оживи фото» хранит о вас. Собрано {now:%d.%m.%Y %H:%M} UTC.

Суммы в токенах и рублях, время по Гринвичу. Фото, с которыми вы ничего не заказали, здесь нет:
они ни с кем не связаны и удаляются сами.

{files}
"""


def write(reference: str, target: BinaryIO, *, now: datetime) -> UserRow:
    """Write the ZIP of the person with this id or telegramId into `target`, which need not be
    seekable; little of it is in memory at a time. Returns whom it is about.

    ValueError for nobody, and for one who was erased; StorageUnavailable.
    """
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        with snapshot() as session:
            user = erasure.find(session, reference)
            if user.erased_at is not None:
                raise ValueError("this person was erased: nothing is kept about them")
            archive.writestr(_entry(README, now), _about(now), ZIP_DEFLATED)
            for kept in export.tables():
                with archive.open(_entry(f"{kept.name}.json", now, ZIP_DEFLATED), "w") as part:
                    _write_list(part, export.rows(session, kept, user))
            files = export.files(session, user.id)
        # The storage may be slow: no transaction waits for it.
        gone = [file.name for file in files if not _copy(archive, file, now)]
        if gone:
            archive.writestr(_entry("files_missing.json", now), orjson.dumps(gone))
    return user


def _copy(archive: ZipFile, file: export.File, now: datetime) -> bool:
    """False when the bytes are not there any more."""
    try:
        with (
            registry.storage().open(file.storage_key) as stored,
            archive.open(_entry(file.name, now), "w", force_zip64=True) as copy,
        ):
            shutil.copyfileobj(stored, copy)
    except ObjectMissing:
        return False
    return True


def _write_list(part: IO[bytes], rows: Iterable[dict[str, Any]]) -> None:
    before = b"[\n"
    for row in rows:
        part.write(before + orjson.dumps(row, option=orjson.OPT_INDENT_2))
        before = b",\n"
    part.write(b"\n]\n" if before == b",\n" else b"[]\n")


def _about(now: datetime) -> str:
    described = (f"{kept.name}.json — {kept.title}" for kept in export.tables())
    return _ABOUT.format(now=now, files="\n".join(described))


def _entry(name: str, now: datetime, compressed: int = ZIP_STORED) -> ZipInfo:
    """A part of the archive; pictures and videos are compressed already."""
    entry = ZipInfo(name, date_time=now.timetuple()[:6])
    entry.compress_type = compressed
    entry.external_attr = 0o600 << 16
    return entry
