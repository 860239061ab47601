"""Lock files pin what setup.cfg asks for, each with its hashes, and agree with each other."""

from __future__ import annotations

import re
from configparser import ConfigParser

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.code import ROOT

# The extras that are in each of them, as `make lock` says.
LOCKS = {
    "requirements/server.txt": ("engine", "bot"),
    "requirements/observability.txt": ("engine", "bot", "tracing", "sentry"),
    "requirements/local.txt": ("engine", "bot", "embedded"),
    "requirements/dev.txt": ("engine", "bot", "embedded", "dev", "tracing", "sentry", "s3-test"),
    "requirements/bench.txt": ("bench",),
}


def pinned(name: str) -> dict[str, set[str]]:
    """Package -> its versions; some differ by the version of Python."""
    text = (ROOT / name).read_text("utf-8")
    found: dict[str, set[str]] = {}
    for package, version, rest in re.findall(
        r"^([\w.-]+)(?:\[.*?\])?==([^ ;]+)(.*(?:\n    .*)*)", text, re.MULTILINE
    ):
        assert "--hash=sha256:" in rest, f"{package} of {name} has no hash"
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in extras]
    return [Requirement(line) for text in texts for line in text.split("\n") if line]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_what_setup_cfg_asks_for(name: str) -> None:
    versions = pinned(name)
    for requirement in wanted(LOCKS[name]):
        found = versions.get(canonicalize_name(requirement.name), set())
        assert found and all(map(requirement.specifier.contains, found)), (
            f"make lock: {requirement}"
        )


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_versions_of_the_tests(name: str) -> None:
    tested = pinned("requirements/dev.txt")
    ours = {package: found for package, found in pinned(name).items() if package in tested}
    assert {package for package, found in ours.items() if found != tested[package]} == set()


def test_make_lock_writes_all_of_them() -> None:
    recipe = re.search(r"^lock:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert recipe
    written = {
        line.rpartition(" -o ")[2]: tuple(re.findall(r"--extra (\S+)", line))
        for line in recipe[1].splitlines()
    }
    assert written == LOCKS
