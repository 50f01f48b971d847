"""A target as the engine contract needs it, and the wishes that its tests make."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from signal import SIGTERM
from typing import Any, Protocol

from contract.engines.apps import FAMILY, LAST_WORDS, SERVER
from contract.engines.images import ImageShelf
from slipway_contracts.version import CommandSpec
from slipway_contracts.workload import ReplicaRef, Workload
from slipway_engines.engine import START, Engine, Position


class Target(Protocol):
    """A real target of the engine under test, empty at the start of each test."""

    shelf: ImageShelf

    def engine(self) -> Engine:
        """Return another engine for this target."""
        ...

    async def up(self) -> Any:
        """Start the target."""
        ...

    async def down(self, number: Any = SIGTERM) -> None:
        """End the target itself by a signal."""
        ...

    def lose_secrets(self) -> None:
        """Lose what is kept in memory only, as a reboot does."""
        ...

    def processes(self) -> list[int]:
        """Return every process of any replica."""
        ...


def workload_of(target: Target, *, command: CommandSpec | None = None, **overrides: Any) -> Workload:
    files = {"app/server.py": SERVER, "app/family.py": FAMILY, "app/last_words.py": LAST_WORDS}
    wish: dict[str, Any] = {
        "id": "00000000000000aa",
        "group": "default",
        "deployment": "digits",
        "endpoint": "predict",
        "target": "here",
        "image": overrides.pop("image", None) or target.shelf.image(files),
        "command": command or CommandSpec(argv=("python", "server.py")),
        "grace_seconds": 1.0,
        **overrides,
    }
    return Workload(**wish)


def shell_command(line: str) -> CommandSpec:
    return CommandSpec.model_validate({"shell": line})


def ref_of(workload: Workload, replica: str) -> ReplicaRef:
    return ReplicaRef(workload=workload.ref, id=replica)


async def lines_of(engine: Engine, ref: ReplicaRef, since: Position = START) -> list[str]:
    """Return what a replica printed until now."""
    texts: list[str] = []

    async def read() -> None:
        async for line in engine.logs(ref, since):
            texts.append(line.text)  # noqa: PERF401 - what was read before the timeout counts

    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await read()
    return texts


async def begins(engine: Engine, workload: Workload, replicas: Sequence[str]) -> int:
    """Return how many processes these replicas ever started."""
    texts = [text for each in replicas for text in await lines_of(engine, ref_of(workload, each))]
    return sum(1 for text in texts if text.startswith("begin"))
