"""Services read stored messages by `Stored.readable`: what a newer release wrote must end none of them.

Finds `.message` of what is annotated as `Stored`, of what a log returned, and of what is called `stored`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

SERVICES: Final = Path(__file__).parents[3] / "services"
READS: Final = {"follow", "get", "last", "last_per_subject", "pages", "read"}
MAY_RAISE: Final = {
    # A record that must be read: nothing may be decided, and no name given away, beside it.
    "slipway_deployer/records.py _desired_of",
    # Why it cannot be read is what these tell.
    "slipway_api/reading/dead_messages.py problem",
    "slipway_deployer/inbox.py incoming_of",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def reads_a_log(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in READS
        and ast.unparse(each.func.value).endswith("log")
        for each in ast.walk(node)
    )


def stored_names(function: Function) -> set[str]:
    """Return the names that hold a stored message in this function."""
    names = {"stored"}
    from_log = reads_a_log(function)
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=name, annotation=ast.AST() as annotation):
                names |= {name} if "Stored" in ast.unparse(annotation) else set()
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if reads_a_log(value):
                names.add(name)
            case ast.AsyncFor(target=ast.Name(id=name)) if from_log:
                names.add(name)
            case ast.comprehension(target=ast.Name(id=name), is_async=1) if from_log:
                names.add(name)
            case _:
                pass
    return names


def bare_reads(source: str) -> Iterator[str]:
    """Return the names of the functions that read `.message` of a stored message."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, Function):
            names = stored_names(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr == "message":
                    held = ast.unparse(node.value)
                    if held in names or held.endswith(".stored"):
                        yield function.name


def test_no_service_ends_with_a_message_that_it_cannot_read() -> None:
    modules = [each for each in sorted(SERVICES.glob("*/slipway_*/**/*.py")) if "projector" not in str(each)]

    found = {
        f"{module.relative_to(SERVICES.joinpath(module.relative_to(SERVICES).parts[0]))} {function}"
        for module in modules
        for function in bare_reads(module.read_text())
    }

    assert len(modules) > 100
    assert found == MAY_RAISE, "read `readable`, or say here why it has to raise"


def test_every_way_to_get_a_stored_message_is_known() -> None:
    source = """
    def annotated(last: Stored | None, told: Told): return last.message, told.message
    async def asked(self):
        last = await self._event_log.last("subject")
        return last.message
    async def followed(self):
        async with aclosing(self._log.follow("subject")) as items:
            async for item in items:
                print(item.message)
    async def listed(log): return [each.message async for each in log.read("subject", after=0)]
    def held(dead): return dead.stored.message
    def other(inbox, failure): return inbox.message, failure.message
    """

    assert list(bare_reads(dedent(source))) == ["annotated", "asked", "followed", "listed", "held"]
