"""Tells what a build is doing: a message when a step begins, one when it ended well, and lines of text."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from slipway_contracts.events import BuildStepFinished, BuildStepStarted

StepEvent = BuildStepStarted | BuildStepFinished


@dataclass
class Step:
    """A step that runs; `detail` says at its end what it did."""

    name: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps of one build.

    Attributes:
        publish: called with each event; it returns when the event is confirmed.
        line: called with each line of text; it does not wait.
    """

    group: str
    deployment: str
    build: str
    publish: Callable[[StepEvent], Awaitable[None]]
    line: Callable[[str], None] = field(default=lambda _: None)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Step]:
        """Bracket one step; a step that raises has no end event, the end of the build tells."""
        step = Step(name)
        of = {"group": self.group, "deployment": self.deployment, "build": self.build, "step": name}
        await self.publish(BuildStepStarted(**of))
        began = time.monotonic()
        yield step
        seconds = round(time.monotonic() - began, 4)
        self.line(f"{name}: {step.detail or 'done'} ({seconds:.2f} s)")
        await self.publish(BuildStepFinished(**of, seconds=seconds, detail=step.detail))
