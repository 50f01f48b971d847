"""Gateways: what each has applied, when it was heard of, and the end of one that is gone for good."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from slipway_chassis.errors import ConflictError
from slipway_chassis.heartbeats import Heartbeat, Heartbeats
from slipway_chassis.logs import get_logger
from slipway_contracts.envelope import now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.installation_events import GatewayRemoved
from slipway_contracts.names import derived_id

from slipway_api.answers.installation_views import Gateway
from slipway_api.identity.access import Principal
from slipway_api.installation.configuring import Configuring
from slipway_api.refusing import lifecycle_problems as problems
from slipway_api.submitting.origins import confirming

# Well below the time for which the log knows a message again.
_REPEATED_WITHIN: Final = timedelta(hours=1)
_log: Final = get_logger()


class Gateways:
    """Shows gateways, and removes those that are gone.

    Args:
        heartbeats: their records.
        configuring: tells the log of a removal.
        silent_after: age of its record from which on a gateway may be removed.
    """

    def __init__(self, *, heartbeats: Heartbeats, configuring: Configuring, silent_after: timedelta) -> None:
        self._silent_after = silent_after
        self._heartbeats = heartbeats
        self._configuring = configuring

    async def all(self, caller: Principal) -> list[Gateway]:
        """Return all gateways by name, with what they hold of the caller's groups.

        Raises:
            LogUnavailableError: NATS does not answer.
        """
        return [each.model_copy(update={"held": _of(caller, each.held)}) for each in await self._known()]

    async def _known(self) -> list[Gateway]:
        found = [shown for beat in await self._heartbeats.list() if (shown := self._shown(beat)) is not None]
        return sorted(found, key=lambda each: each.name)

    async def remove(self, name: str, *, by: str) -> None:
        """Let nothing wait for this gateway any more; when it comes back it counts again.

        Removed is the record that was judged and no later one: a gateway that says something meanwhile stays.
        A repeat within the hour changes nothing, and tells the log what the first attempt could not.

        Raises:
            GatewayNotFoundError: there is no record of it.
            GatewayAliveError: it was heard of a moment ago.
            LogUnavailableError: NATS does not answer; the removal may have happened or not.
        """
        told = await self._removed(name) or await self._remove(name, by=by)
        await self._configuring.publish(told, identifier=_message(told))

    async def _remove(self, name: str, *, by: str) -> GatewayRemoved:
        """Remove the record, and return what is to be told of that."""
        found, sequence = await self._found(name)
        if not found.silent:
            raise self._alive(found)
        told = GatewayRemoved(gateway=name, applied=found.applied, heard_at=found.heard_at, by=by)
        note = told.model_dump_json().encode()
        try:
            with confirming(_message(told)):
                await self._heartbeats.remove(name, expect=sequence, note=note)
        except ConflictError:
            again, _ = await self._found(name)
            raise self._alive(again) from None
        return told

    async def _removed(self, name: str) -> GatewayRemoved | None:
        """Return the removal of a gateway that was removed a while ago, as it shall be told."""
        last = await self._heartbeats.last(name)
        if last is None or not last.note or last.age(now()) > _REPEATED_WITHIN:
            return None
        try:
            return GatewayRemoved.model_validate_json(last.note)
        except ValidationError as error:
            _log.warning("gateway.note_unreadable", gateway=name, error=str(error))
            return None

    async def _found(self, name: str) -> tuple[Gateway, int]:
        """Return a gateway with the sequence of its record."""
        beats = {beat.key: beat for beat in await self._heartbeats.list()}
        shown = self._shown(beats[name]) if name in beats else None
        if shown is None:
            names = sorted(beats.keys() - {name})
            raise problems.GatewayNotFoundError(
                f"There is no gateway {name}.",
                hint=f"There are: {', '.join(names)}." if names else "No gateway has said anything yet.",
                gateways=names,
            )
        return shown, beats[name].sequence

    def _alive(self, found: Gateway) -> problems.GatewayAliveError:
        silent = self._silent_after.total_seconds()
        return problems.GatewayAliveError(
            f"Gateway {found.name} was heard of at {found.heard_at:%H:%M:%S} UTC: it runs.",
            hint=f"End it and its Envoy first; it can be removed {silent:g} s after that.",
            gateway=found.name,
            heard_at=found.heard_at.isoformat(),
            silent_after_seconds=silent,
        )

    def _shown(self, beat: Heartbeat) -> Gateway | None:
        try:
            record = GatewayRecord.model_validate_json(beat.data or b"")
        except ValidationError as error:
            _log.warning("gateway.record_unreadable", gateway=beat.key, error=str(error))
            return None
        return Gateway(
            name=beat.key,
            applied=record.applied,
            held=dict(record.held),
            envoy=record.envoy,
            heard_at=beat.time,
            silent=beat.age(now()) > self._silent_after,
        )


def _message(removed: GatewayRemoved) -> str:
    """Return the id of the message that tells of a removal, the same at each attempt."""
    return derived_id("gateway", removed.gateway, removed.heard_at.isoformat())


def _of(caller: Principal, held: Mapping[str, int]) -> dict[str, int]:
    return {name: at for name, at in held.items() if caller.role_in(name.partition("/")[0]) is not None}
