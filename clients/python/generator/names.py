"""`generated/__init__.py`: what a program may want to import by name."""

from __future__ import annotations

from generator.contract import Contract, pascal
from generator.layout import HEADER
from generator.python_types import Types


def names_module(contract: Contract, types: Types) -> str:
    """All types and refusals; call it when all operations have been translated."""
    models = sorted([*types.literals, *types.models, *types.unions])
    refusals = sorted(pascal(code) for _, code, _ in contract.codes())
    parts = [HEADER + '"""All types of the contract, and one exception for each of its codes."""\n']
    parts += [f"from livephoto_client.generated.models import ({', '.join(models)})"]
    parts += [f"from livephoto_client.generated.refusals import ({', '.join(refusals)})"]
    parts += [f"__all__ = [{', '.join(map(repr, models + refusals))}]"]
    return "\n".join(parts) + "\n"
