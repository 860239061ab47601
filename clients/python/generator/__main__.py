"""`python -m generator` writes the generated modules; to another FOLDER if that is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from generator.contract import Contract
from generator.models import models_module
from generator.names import names_module
from generator.operations import operations_module
from generator.python_types import Types
from generator.refusals import refusals_module

HERE = Path(__file__).parents[1]


def modules() -> dict[str, str]:
    """Name and text of each generated module, not yet formatted."""
    contract = Contract()
    types = Types(contract)
    for name in contract.schemas:
        # Exceptions take the place of Error, and arguments that of bodies.
        if name != "Error" and not name.endswith("Body"):
            types.of({"$ref": f"#/components/schemas/{name}"}, name)
    operations = operations_module(contract, types, is_async=False)
    return {
        "__init__.py": names_module(contract, types),
        "operations.py": operations,
        "async_operations.py": operations_module(contract, types, is_async=True),
        "refusals.py": refusals_module(contract),
        "models.py": models_module(types),
    }


def write(folder: Path) -> None:
    """Write all of them into `folder`, formatted as the project's own code is."""
    names = []
    for name, text in modules().items():
        (folder / name).write_text(text, "utf-8")
        names.append(str(folder / name))
    ruff = Path(sys.executable).with_name("ruff")
    config = ("--config", str(HERE.parents[1] / "pyproject.toml"))
    for command in (("check", "--quiet", "--fix", "--select", "I,F401"), ("format", "--quiet")):
        subprocess.run([ruff, *command, *config, *names], check=True)  # noqa: S603 our own linter


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "livephoto_client/generated")
