"""Every command line of the documents is one that the command line knows, with its options."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from slipway.cli import make_app
from typer.main import get_command

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND = re.compile(r"(?:^ *|\$ |&& |`|; )slipway +([a-z-][^`#|&;\n(]*)", re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for line in COMMAND.findall(document.read_text()):
            yield str(document.relative_to(ROOT)), line.strip()


@cache
def command_line() -> Any:
    return get_command(make_app())


def refusal(line: str) -> str | None:
    """Return what of the line the command line does not know; None: it knows all of it."""
    found = command_line()
    words = line.split()
    while words and getattr(found, "commands", None):
        word = words.pop(0)
        if word not in found.commands:
            return word
        found = found.commands[word]
    options = {each for parameter in found.params for each in (*parameter.opts, *parameter.secondary_opts)}
    known = options | {"--help"}
    return next(
        (word for word in words if word.startswith("-") and word.partition("=")[0] not in known), None
    )


@pytest.mark.parametrize(("document", "line"), sorted(set(commands())))
def test_a_command_of_the_documents_is_known_with_its_options(document: str, line: str) -> None:
    assert refusal(line) is None, f"{document}: slipway {line}"


@pytest.mark.parametrize("line", ["no-such-command", "alias no-such-command", "up --no-such-option"])
def test_what_is_not_known_is_found(line: str) -> None:
    assert refusal(line) == line.rpartition(" ")[2]
