"""Settings from the environment. The only module that reads os.environ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import dotenv_values

from settings.fields import Settings
from settings.rules import contradictions, missing_for_production

SANDBOX_FILE = "sandbox.env"


class SettingsError(Exception):
    """The environment cannot be used; the message names every faulty setting and its fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Settings cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


def read(environ: Mapping[str, str]) -> Settings:
    """Build settings from `environ`; SettingsError names every value that cannot be used."""
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in fields(Settings):
        raw = environ.get(setting.name.upper(), "").strip()
        if not raw:
            continue
        if setting.metadata["limits"].url:
            raw = raw.rstrip("/")
        try:
            values[setting.name] = _parse(hints[setting.name], raw)
        except (ValueError, InvalidOperation):
            shown = "its value" if setting.metadata["secret"] else repr(raw)
            problems.append(
                f"{setting.name.upper()}: {shown} is not {_TYPE_NAMES[hints[setting.name]]}"
            )
    settings = Settings(**values)
    problems += contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


@cache
def load() -> Settings:
    """The settings of this process: `.env` in the working folder, overridden by the environment."""
    settings = read({**{k: v or "" for k, v in dotenv_values(".env").items()}, **os.environ})
    if settings.production and (unsafe := missing_for_production(settings)):
        raise SettingsError(unsafe)
    return settings


def find_sandbox() -> None:
    """Let this process use the sandbox of `make run`, whose keys are in STATE_DIR like the URL of
    its database; where DATABASE_URL is set, that is another installation.
    """
    current = load()
    if current.production or current.database_url:
        return
    for name, value in dotenv_values(current.state_dir / SANDBOX_FILE).items():
        os.environ.setdefault(name, value or "")
    load.cache_clear()


def described(settings: Settings) -> list[tuple[str, str, str]]:
    """Rows (NAME, effective value with secrets masked, meaning) in the order of the class."""
    rows = []
    for setting in fields(Settings):
        value = getattr(settings, setting.name)
        if setting.metadata["secret"]:
            shown = "(set)" if value else ""
        else:
            shown = ",".join(value) if isinstance(value, tuple) else str(value)
        rows.append((setting.name.upper(), shown, setting.metadata["about"]))
    return rows


def _parse(kind: type, raw: str) -> Any:
    if kind is bool:
        return _BOOLEANS[raw.lower()] if raw.lower() in _BOOLEANS else _refuse()
    if kind is int:
        return int(raw) if int(raw) >= 0 else _refuse()
    if kind is Decimal:
        amount = Decimal(raw)
        return amount if amount.is_finite() and amount >= 0 else _refuse()
    if kind is Path:
        return Path(raw)
    if kind is str:
        return raw
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _refuse() -> Any:
    raise ValueError


_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number of 0 or more",
    Decimal: "an amount of 0 or more",
    Path: "a path",
    str: "text",
    tuple[str, ...]: "a comma-separated list",
}
