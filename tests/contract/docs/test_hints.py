"""Whoever types commands is told commands: no refusal reaches the CLI's users with a route in its hint."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import slipway_api
from slipway.hints import ADVISED

ROUTE = re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE) [/…]|[?&]\w+=true")
NEVER_OF_THE_CLI = {
    "kind": "the words of BuildNotFound, VersionNotFound and ReleaseNotFound, which are advised",
    "SchemaNotFound": "the CLI asks for no schema",
    "LogUnavailable": "the CLI sends an Idempotency-Key with each mutation, and its hint then names no route",
    "ProjectionBehind": "of a look at the past; names the events as another way to it",
    "ChangedMeanwhile": "of secrets; trying again is all there is to do",
}


def reasons_with_routes() -> Iterator[str]:
    for path in Path(slipway_api.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(ROUTE.search(text) for text in _hints(node)):
                yield ast.unparse(node.func).rpartition(".")[2].removesuffix("Error")


def _hints(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg == "hint":
            texts = (node.value for node in ast.walk(keyword.value) if isinstance(node, ast.Constant))
            yield "".join(text for text in texts if isinstance(text, str))


def test_every_hint_with_a_route_has_a_command_in_the_cli() -> None:
    found = set(reasons_with_routes())

    assert "DeploymentNotFound" in found
    assert found - ADVISED == NEVER_OF_THE_CLI.keys() & found
