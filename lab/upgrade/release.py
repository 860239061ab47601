"""The code of the last release, kept as an archive of what serves and works: no pages, no nets.

`make release` keeps that of the newest commit.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Collection
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHIVE = Path(__file__).with_name("released.tar.xz")
LEFT_OUT = (
    *("bot", "clients", "console", "deploy", "docs", "requirements", "tests", "**/*.md"),
    *("local/demo", "local/samples", "local/sandbox", "providers/engine/models"),
    *("web/swagger_ui/*.css", "web/swagger_ui/*.js", "lab/*/**"),
)
# What its worker needs of the lab, where photos take milliseconds.
KEPT = ("lab/chaos/__init__.py", "lab/chaos/quick_worker.py")
PREPARE = (
    "import sys; from local import database; database.prepare(sys.argv[1], simulated=sys.argv[2:])"
)
PREPARE_SECONDS = 120


@dataclass(frozen=True)
class Release:
    """A released version, unpacked."""

    folder: Path
    version: str
    migration: str

    def prepare(self, url: str, simulated: Collection[str]) -> None:
        """As local.database.prepare, with the code of the release. RuntimeError."""
        prepared = subprocess.run(
            [sys.executable, "-c", PREPARE, url, *simulated],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PREPARE_SECONDS,
            check=False,
        )
        if prepared.returncode != 0:
            raise RuntimeError(prepared.stderr)


def last(folder: Path) -> Release:
    """Unpack the last release into `folder`."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    config = ConfigParser()
    config.read(folder / "setup.cfg")
    return Release(folder, config["metadata"]["version"], newest_migration())


def newest_migration() -> str:
    """The one that the last release knows as the newest."""
    with tarfile.open(ARCHIVE) as archive:
        names = [Path(name) for name in archive.getnames() if "db/migrations/versions/0" in name]
    return max(path.name[:4] for path in names)


def keep(commit: str = "HEAD") -> None:
    """Keep the code of a commit, and its contract, as those of the last release."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        for paths in ([".", *(f":(exclude,glob){each}" for each in _left_out())], KEPT):
            _add(archive, commit, paths)
    ARCHIVE.write_bytes(lzma.compress(kept.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    contract = ROOT / "lab/judge/released-openapi.yaml"
    contract.write_bytes(_git("show", f"{commit}:spec/openapi.yaml"))


def _left_out() -> list[str]:
    """Folders with what is in them."""
    return [each if "*" in each else f"{each}/**" for each in LEFT_OUT]


def _add(archive: tarfile.TarFile, commit: str, paths: Collection[str]) -> None:
    content = _git("archive", commit, "--", *paths)
    with tarfile.open(fileobj=io.BytesIO(content)) as found:
        for member in found:
            if member.isfile():
                archive.addfile(member, found.extractfile(member))


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    keep(*sys.argv[1:])
