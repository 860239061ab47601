"""The contract, read once: a plain dict that no code changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("openapi.yaml")


class _JsonLoader(yaml.CSafeLoader):
    """Reads only JSON's types: an unquoted time in an example stays a string."""

    yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


CONTRACT: dict[str, Any] = yaml.load(PATH.read_bytes(), _JsonLoader)  # noqa: S506 a safe loader
