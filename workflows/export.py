"""Writes everything kept about a person into a ZIP: JSON of the rows, and the files themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Any, BinaryIO
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import orjson

from db import snapshot
from providers import registry
from providers.storage import ObjectMissing
from services import export, users

README = "README.txt"
_ABOUT = """Всё, что сервис «Оживи фото» хранит о вас. Собрано {now:%d.%m.%Y %H:%M} UTC.

Суммы в токенах и рублях, время по Гринвичу. Фото, с которыми вы ничего не заказали, здесь нет:
они ни с кем не связаны и удаляются сами.

{files}
"""


def write(user_id: UUID, target: BinaryIO, *, now: datetime) -> None:
    """Write the ZIP of a person into `target`, which need not be seekable; little is in memory.

    ApiError `user_not_found`, also for one who was erased; StorageUnavailable.
    """
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        with snapshot() as session:
            user = users.get(session, user_id)
            archive.writestr(_entry(README, now), _about(now), ZIP_DEFLATED)
            for kept in export.tables():
                with archive.open(_entry(f"{kept.name}.json", now, ZIP_DEFLATED), "w") as part:
                    _write_list(part, export.rows(session, kept, user))
            files = export.files(session, user.id)
        # The storage may be slow: no transaction waits for it.
        gone = [file.name for file in files if not _copy(archive, file, now)]
        if gone:
            archive.writestr(_entry("files_missing.json", now), orjson.dumps(gone))


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
