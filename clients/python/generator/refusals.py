"""`generated/refusals.py`: one exception for each code of the contract."""

from __future__ import annotations

from generator.contract import Contract, pascal
from generator.layout import HEADER, docstring

HEAD = '''"""One exception for each `code` of a refusal."""

from __future__ import annotations

from livephoto_client.trouble import Refusal
'''


def refusals_module(contract: Contract) -> str:
    """The exceptions, and the table that finds them by code."""
    codes = list(contract.codes())
    parts = [HEADER + HEAD]
    for status, code, meaning in codes:
        text = f"{status} `{code}`: {meaning}."
        parts.append(f"\nclass {pascal(code)}(Refusal):\n{docstring(text, '    ')}\n")
    rows = "".join(f'    "{code}": {pascal(code)},\n' for _, code, _ in codes)
    parts.append(f"\nREFUSALS: dict[str, type[Refusal]] = {{\n{rows}}}")
    return "\n".join(parts) + "\n"
