"""What the gateways say they have applied, kept from their heartbeats."""

from collections.abc import Callable, Sequence
from contextlib import aclosing

from pydantic import ValidationError
from slipway_chassis.event_log import CaughtUp
from slipway_chassis.heartbeats import Heartbeat, Heartbeats
from slipway_chassis.logs import get_logger
from slipway_contracts.gateway import GatewayRecord

_log = get_logger()


class Gateways:
    """The last record of each gateway; one that is silent still counts, for its Envoy may still serve."""

    def __init__(self, *, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self._records: dict[str, GatewayRecord] = {}
        self._caught_up = False

    def records(self) -> tuple[GatewayRecord, ...]:
        """Return the records as they were last seen; none before all of them were."""
        return tuple(self._records.values()) if self._caught_up else ()

    async def follow(self, changed: Callable[[Sequence[GatewayRecord]], None]) -> None:
        """Keep the records, and tell them after each that says something new; runs until cancelled."""
        async with aclosing(self._heartbeats.watch()) as beats:
            async for beat in beats:
                self._caught_up = self._caught_up or isinstance(beat, CaughtUp)
                if isinstance(beat, CaughtUp) or self._note(beat):
                    changed(self.records())

    def _note(self, beat: Heartbeat) -> bool:
        before = self._records.get(beat.key)
        if beat.data is None:
            return self._records.pop(beat.key, None) is not None
        try:
            record = GatewayRecord.model_validate_json(beat.data)
        except ValidationError as error:
            _log.warning("gateway.record_unreadable", gateway=beat.key, error=str(error))
            return False
        self._records[beat.key] = record
        return before is None or _news(before) != _news(record)


def _news(record: GatewayRecord) -> tuple[object, ...]:
    return record.applied, record.held, record.active, record.leaving
