"""The commands in the project's documents, as an operator would copy them."""

import re
import textwrap
from pathlib import Path

from report import Failure

PROJECT = Path(__file__).parents[2]


def blocks(document: str, heading: str, **values: str) -> list[str]:
    """Returns the shell blocks under a heading of a document.

    `values` are the values that an operator fills in: `NAME=…` in a block becomes `NAME=value`.
    """
    text = (PROJECT / document).read_text()
    sections = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if len(sections) != 1:
        raise Failure(f"{document} must have one heading {heading!r}, not {len(sections)}")
    found = re.findall(r"^( *)```sh\n(.*?)^\1```", sections[0], re.M | re.S)
    if not found:
        raise Failure(f"{document} has no commands under {heading!r}")
    return [_filled(textwrap.dedent(block), values) for _, block in found]


def block(document: str, heading: str, words: str, **values: str) -> str:
    """Returns the only block under a heading that contains these words."""
    found = [each for each in blocks(document, heading, **values) if words in each]
    if len(found) != 1:
        raise Failure(f"{document} must have one block with {words!r} under {heading!r}, not {len(found)}")
    if left := re.findall(r"\b[A-Z_]+=…", found[0]):
        raise Failure(f"{document}: the test gives no value for {left} under {heading!r}")
    return found[0]


def _filled(commands: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        commands = re.sub(rf"\b{name}=…", lambda _, value=value, name=name: f"{name}='{value}'", commands)
    return commands
