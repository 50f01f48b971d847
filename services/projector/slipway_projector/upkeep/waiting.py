"""Who has still to read what of the log: durables that did not acknowledge it, webhooks without it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.jetstream_api import call
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.topology import LOG, WEBHOOKS
from slipway_contracts.webhooks import WebhookFact, WebhookProgress, WebhookRegister

_WITHIN: Final = 10.0


@dataclass(frozen=True)
class Waiting:
    """Somebody who has not read everything; what comes before `since` is read."""

    who: str
    since: int


async def waiting(connection: Connection, log: EventLog) -> list[Waiting]:
    """Return who waits.

    Raises:
        LogUnavailableError: no answer in time.
    """
    durables = [
        Waiting(f"the durable {info['name']}", info["ack_floor"]["stream_seq"] + 1)
        async for info in _consumers(connection)
        if info["config"].get("durable_name") and (info["num_pending"] or info["num_ack_pending"])
    ]
    return durables + await _webhooks(connection, log)


async def _consumers(connection: Connection) -> AsyncIterator[dict[str, Any]]:
    seen = 0
    while True:
        request = {"offset": seen}
        answer = await call(connection, f"CONSUMER.LIST.{LOG.name}", request, within=_WITHIN)
        for info in answer["consumers"] or ():
            yield info
        seen += len(answer["consumers"] or ())
        if not answer["consumers"] or seen >= answer["total"]:
            return


async def _webhooks(connection: Connection, log: EventLog) -> list[Waiting]:
    """Return the webhooks that something is sent to: who is disabled gets what comes once it no longer is."""
    active = [known for known in (await _register(log)).all() if known.active]
    stored = {
        beat.key: beat.data for beat in await Heartbeats(connection=connection, bucket=WEBHOOKS.name).list()
    }
    found: list[Waiting] = []
    for known in active:
        progress = _progress(stored.get(known.id))
        position = known.start
        if progress is not None:
            # Where it begins anew, a notifier that could not read that yet goes on from where it was.
            begun = progress.begun == known.begun
            position = progress.position if begun else min(progress.position, known.start)
        found.append(Waiting(f"the webhook {known.id}", position + 1))
    return found


async def _register(log: EventLog) -> WebhookRegister:
    register = WebhookRegister()
    async with aclosing(log.follow(subjects.WEBHOOK_EVENTS, start=After(0))) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            try:
                message, at = item.message, item.envelope.time
            except (UnknownMessageError, ValueError):
                continue
            if isinstance(message, WebhookFact):
                register.take(message, sequence=item.sequence, at=at)
    return register


def _progress(data: bytes | None) -> WebhookProgress | None:
    try:
        return WebhookProgress.model_validate_json(data or b"")
    except ValidationError:
        return None
