"""`deploy/example.env` names every setting, and copied unchanged it has no effect.

`python -m tests.house.test_env_example > deploy/example.env` writes it anew.
"""

from __future__ import annotations

import io
import re
from dataclasses import fields

from dotenv import dotenv_values

import settings
from tests.house.code import ROOT

EXAMPLE = ROOT / "deploy/example.env"
HEAD = """\
# Every setting with its default: copy this file to .env, and take away the # of what you change.
# The environment wins over .env. Lists are comma-separated.
"""
# Of deploy/compose.yaml; the server itself gets DATABASE_URL.
FOOT = """\
# only for deploy/compose.yaml: password of its PostgreSQL
#POSTGRES_PASSWORD=

# only for deploy/compose.yaml with --profile observability: password of its Grafana
#GRAFANA_PASSWORD=

# only for deploy/compose.yaml: pooler:6432 with --profile replicated
#DATABASE_HOST=postgres:5432
"""


def rendered() -> str:
    """The whole file, from the settings."""
    defaults = settings.Settings()
    blocks = [HEAD]
    for each in fields(settings.Settings):
        value = getattr(defaults, each.name)
        shown = ",".join(value) if isinstance(value, tuple) else str(value)
        if isinstance(value, bool):
            shown = shown.lower()
        blocks.append(f"# {each.metadata['about']}\n#{each.name.upper()}={shown}\n")
    return "\n".join([*blocks, FOOT])


def test_the_example_is_true_to_the_settings() -> None:
    assert EXAMPLE.read_text("utf-8") == rendered(), (
        "write it anew: python -m tests.house.test_env_example > deploy/example.env"
    )


def test_the_example_with_everything_taken_in_is_the_default() -> None:
    text = re.sub(r"^#(?=[A-Z])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    values = {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}
    assert set(values) == {each.name.upper() for each in fields(settings.Settings)} | {
        "POSTGRES_PASSWORD",
        "GRAFANA_PASSWORD",
        "DATABASE_HOST",
    }
    assert settings.read(values) == settings.Settings()


def test_the_example_as_it_is_sets_nothing() -> None:
    assert dotenv_values(EXAMPLE) == {}


if __name__ == "__main__":
    print(rendered(), end="")
