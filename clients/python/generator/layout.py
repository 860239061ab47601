"""How generated text looks: its first line, docstrings of Markdown."""

from __future__ import annotations

import textwrap

HEADER = "# Written by `make format` from spec/openapi.yaml; changes here are lost.\n"
WIDTH = 96


def docstring(text: str, indent: str) -> str:
    """A docstring of paragraphs that are wrapped, lists and tables that are not."""
    blocks = [_wrapped(block, indent) for block in text.strip().split("\n\n")]
    body = "\n\n".join(blocks).replace("\\", "\\\\").replace('"""', "'''")
    if "\n" not in body and len(body) + 6 <= WIDTH:
        return f'{indent}"""{body.strip()}"""'
    return f'{indent}"""{body.strip()}\n{indent}"""'


def _wrapped(block: str, indent: str) -> str:
    lines = block.strip().splitlines()
    if any(line.lstrip().startswith(("|", "-", "*", "    ")) for line in lines):
        return "\n".join(indent + line for line in lines)
    whole = " ".join(line.strip() for line in lines)
    return textwrap.fill(
        whole,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
