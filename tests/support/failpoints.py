"""Runs a service that kills itself at one boundary of one message: `python failpoints.py MODULE FOLDER`.

The failpoints wrap the service from outside, in this file only: what users run has none. A failpoint is armed
by a file in the folder, and goes off once.
"""

import asyncio
import json
import os
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Final

ARMED: Final = "armed.json"
WENT_OFF: Final = "went-off.json"
RECEIVED: Final = "received"
BEFORE_BATCH: Final = "before-batch"
AFTER_BATCH: Final = "after-batch"
AFTER_EFFECT: Final = "after-effect"
BEFORE_ACK: Final = "before-ack"
BOUNDARIES: Final = (RECEIVED, BEFORE_BATCH, AFTER_BATCH, AFTER_EFFECT, BEFORE_ACK)
_RESYNC_EVERY: Final = timedelta(seconds=10)
Around = Callable[..., Awaitable[Any]]
Hook = Callable[..., None]


class Failpoint:
    """The one that is armed; it counts from the moment in which its message was received.

    Args:
        folder: where it is armed, and says that it went off.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._received = False

    def received(self, kind: str, subject: str) -> None:
        """Take note of a delivery."""
        armed = self._armed()
        if armed and armed["type"] == kind and f".{armed['deployment']}." in subject:
            self._received = True
            self.reach(RECEIVED, [subject])

    def reach(self, boundary: str, subjects: Iterable[str]) -> None:
        """End the process at once if it is this boundary of this deployment that is armed."""
        armed = self._armed()
        if not armed or not self._received or armed["boundary"] != boundary:
            return
        if any(f".{armed['deployment']}." in f"{subject}." for subject in subjects):
            (self._folder / ARMED).rename(self._folder / WENT_OFF)
            os.kill(os.getpid(), signal.SIGKILL)

    def _armed(self) -> dict[str, str] | None:
        try:
            return dict(json.loads((self._folder / ARMED).read_text()))
        except FileNotFoundError:
            return None


def around(
    owner: type,
    name: str,
    *,
    before: Callable[..., None] | None = None,
    after: Callable[..., None] | None = None,
) -> None:
    """Call `before` and `after` with the arguments of an asynchronous method."""
    original: Around = getattr(owner, name)

    @wraps(original)
    async def wrapped(*args: Any, **options: Any) -> Any:
        if before is not None:
            before(*args)
        result = await original(*args, **options)
        if after is not None:
            after(*args)
        return result

    setattr(owner, name, wrapped)


def of_chassis(point: Failpoint) -> None:
    """What every service does: receive, publish, acknowledge."""
    from slipway_chassis import acknowledgement, event_log  # noqa: PLC0415

    delivery = acknowledgement._Delivery

    def delivered(self: Any, *_: Any) -> None:
        point.received(self.msg.headers["ce-type"].removeprefix("dev.slipway."), self.msg.subject)

    around(delivery, "consume_scope", before=delivered)
    around(
        delivery,
        "_acknowledge",
        before=lambda self: point.reach(BEFORE_ACK, [self.msg.subject]),
    )
    for name, subjects in (
        ("publish", lambda outgoing: [outgoing.subject]),
        ("publish_batch", lambda batch: [each.subject for each in batch]),
    ):
        around(
            event_log.EventLog,
            name,
            before=lambda _, sent, subjects=subjects: point.reach(BEFORE_BATCH, subjects(sent)),
            after=lambda _, sent, subjects=subjects: point.reach(AFTER_BATCH, subjects(sent)),
        )


def of_deployer(point: Failpoint) -> None:
    """Its effects are the wishes that an engine has taken.

    What changes no replica has none of its own: it comes to that boundary with the next resync, here soon.
    """
    from slipway_deployer.timing import agenda  # noqa: PLC0415
    from slipway_engines.supervisor.adapter import SupervisorEngine  # noqa: PLC0415

    agenda.RESYNC_EVERY = _RESYNC_EVERY  # type: ignore[misc]

    def wished(_: Any, workload: Any, *_more: Any) -> None:
        point.reach(AFTER_EFFECT, [f".{workload.deployment}."])

    around(SupervisorEngine, "apply", after=wished)
    around(SupervisorEngine, "remove", after=wished)


def of_builder(point: Failpoint) -> None:
    """Its effects are blobs; nothing about a blob says for which deployment it is."""
    from slipway_chassis.blobs import FilesystemBlobStore  # noqa: PLC0415

    def anywhere(*_: Any) -> None:
        armed = point._armed()
        if armed:
            point.reach(AFTER_EFFECT, [f".{armed['deployment']}."])

    for name in ("put", "delete", "remove"):
        if asyncio.iscoroutinefunction(getattr(FilesystemBlobStore, name, None)):
            around(FilesystemBlobStore, name, after=anywhere)


def of_projector(point: Failpoint) -> None:
    """It acknowledges nothing: its batch is a transaction, and its effect is the moved checkpoint."""
    from slipway_projector.ledger import Ledger  # noqa: PLC0415

    def read(_: Any, batch: Any) -> None:
        for each in batch:
            if each.envelope is not None:
                point.received(each.envelope.type, each.subject)
        point.reach(BEFORE_BATCH, [each.subject for each in batch])

    around(
        Ledger,
        "write",
        before=read,
        after=lambda _, batch: point.reach(AFTER_BATCH, [each.subject for each in batch]),
    )


def main() -> None:
    """Arm the service, then become it."""
    module, folder = sys.argv[1], Path(sys.argv[2])
    point = Failpoint(folder)
    of_chassis(point)
    {
        "slipway_deployer.main": of_deployer,
        "slipway_builder.main": of_builder,
        "slipway_projector.main": of_projector,
    }[module](point)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
