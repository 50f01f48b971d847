"""Applies the topology to a NATS server: streams, consumers, buckets; `python -m slipway_chassis.provision`.

Repeating it changes nothing. It adds, and it never deletes. Limits are the operator's: one that differs
from what provisioning set stays, and is told. A limit that nobody touched becomes wider where a release wants
it wider, and never narrower.
"""

import asyncio
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import Field
from slipway_contracts import subjects
from slipway_contracts.topology import BUCKETS, CONSUMERS, LOG, STREAMS, BucketSpec, ConsumerSpec, StreamSpec

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, ProvisioningError, SlipwayError
from slipway_chassis.jetstream_api import JetStreamError, NotFoundError, call
from slipway_chassis.limits_by_hand import (
    CONSUMER_LIMITS,
    STREAM_LIMITS,
    UNLIMITED,
    ByHand,
    set_by_hand,
    with_limits,
)
from slipway_chassis.logs import configure_logging, get_logger
from slipway_chassis.settings import ServiceSettings

_WITHIN: Final = 10.0
_POLL_SECONDS: Final = 0.2
_STREAM_FIXED: Final = ("storage", "retention")
_CONSUMER_FIXED: Final = ("deliver_policy", "ack_policy", "replay_policy")
_NEVER_OFF: Final = ("allow_atomic", "allow_msg_ttl", "allow_direct", "allow_rollup_hdrs", "deny_delete")
_REMOVING: Final = ("max_age", "max_msgs_per_subject")
_TELLING: Final = {"src": subjects.ALL, "dest": subjects.told(subjects.ALL)}

_log: Final = get_logger()


class ProvisionSettings(ServiceSettings):
    """Settings of the provisioning command; its NATS user must own the streams."""

    provision_wait: timedelta = Field(
        default=timedelta(seconds=60), description="How long to wait for NATS to be up."
    )


async def provision(connection: Connection) -> None:
    """Make streams, consumers and buckets exist as the topology says.

    Raises:
        ProvisioningError: one exists with a configuration that cannot be changed into the wanted one.
        LogUnavailableError: no answer in time.
    """
    for stream in STREAMS:
        await _apply_stream(connection, _stream_config(stream))
    for bucket in BUCKETS:
        await _apply_stream(connection, _bucket_config(bucket))
    for consumer in CONSUMERS:
        await _apply_consumer(connection, consumer)


async def _apply_stream(connection: Connection, wanted: Mapping[str, Any]) -> None:
    name = wanted["name"]
    existing = await _find(connection, f"STREAM.INFO.{name}")
    if existing is None:
        await _change(connection, f"STREAM.CREATE.{name}", with_limits({}, wanted, STREAM_LIMITS))
        _log.info("stream created", stream=name)
        return
    _refuse_immutable(f"stream {name}", existing, wanted, _STREAM_FIXED)
    for each in set_by_hand(existing, wanted, STREAM_LIMITS):
        _tell(each, stream=name)
    merged = dict(existing) | _merged(existing, wanted)
    if merged != existing:
        await _change(connection, f"STREAM.UPDATE.{name}", merged)
        _log.info("stream updated", stream=name)


async def _apply_consumer(connection: Connection, spec: ConsumerSpec) -> None:
    wanted = _consumer_config(spec)
    existing = await _find(connection, f"CONSUMER.INFO.{spec.stream}.{spec.durable}")
    if existing is not None:
        _refuse_immutable(f"consumer {spec.durable}", existing, wanted, _CONSUMER_FIXED)
        for each in set_by_hand(existing, wanted, CONSUMER_LIMITS):
            _tell(each, stream=spec.stream, consumer=spec.durable)
    found = _filters(existing) if existing is not None else {}
    merged = found | with_limits(found, wanted, CONSUMER_LIMITS)
    if existing is not None and merged == found:
        return
    request = {"stream_name": spec.stream, "config": merged, "action": ""}
    await _change(connection, f"CONSUMER.CREATE.{spec.stream}.{spec.durable}", request)
    _log.info("consumer applied", stream=spec.stream, consumer=spec.durable)


async def _find(connection: Connection, verb: str) -> dict[str, Any] | None:
    try:
        answer = await call(connection, verb, within=_WITHIN)
    except NotFoundError:
        return None
    config: dict[str, Any] = answer["config"]
    return config


async def _change(connection: Connection, verb: str, request: Mapping[str, Any]) -> None:
    try:
        await call(connection, verb, request, within=_WITHIN)
    except JetStreamError as error:
        raise ProvisioningError(
            f"NATS refuses {error}; change it there by hand, then provision again"
        ) from error


def _refuse_immutable(
    thing: str, existing: Mapping[str, Any], wanted: Mapping[str, Any], fields: tuple[str, ...]
) -> None:
    for field in fields:
        if existing.get(field) != wanted[field]:
            raise ProvisioningError(
                f"{thing} has {field}={existing.get(field)!r}, wanted is {wanted[field]!r}, and that cannot "
                "be changed; move its messages to another installation, or remove it by hand"
            )


def _merged(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to set so that nothing that exists is lost, and nothing that was set by hand."""
    merged = with_limits(existing, wanted, STREAM_LIMITS)
    merged["subjects"] = sorted({*existing.get("subjects", ()), *wanted["subjects"]})
    if set(merged["subjects"]) == set(existing.get("subjects", ())):
        merged["subjects"] = existing["subjects"]
    merged["duplicate_window"] = max(existing.get("duplicate_window", 0), wanted["duplicate_window"])
    merged["num_replicas"] = existing.get("num_replicas", 1)
    for field in _NEVER_OFF:
        merged[field] = bool(existing.get(field)) or bool(wanted.get(field))
    return {field: value for field, value in merged.items() if value or field in existing}


def _tell(by_hand: ByHand, **where: str) -> None:
    found: dict[str, Any] = {"limit": by_hand.limit, "found": by_hand.found, "planned": by_hand.planned}
    if where.get("stream") == LOG.name and by_hand.limit in _REMOVING:
        _log.error(
            "a limit that was set by hand removes messages of the log for good; take it away",
            **where,
            **found,
        )
    else:
        _log.warning("a limit was set by hand; it stays", **where, **found)


def _filters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with its filters in one form; the server has a field for a single one."""
    rest = {field: value for field, value in config.items() if field != "filter_subject"}
    single = config.get("filter_subject")
    return rest | {"filter_subjects": [single] if single else config.get("filter_subjects", [])}


def _stream_config(spec: StreamSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": "limits",
        "storage": "file",
        "discard": "old" if spec.discard_old else "new",
        "max_age": _nanoseconds(spec.max_age) if spec.max_age is not None else 0,
        "max_bytes": spec.max_bytes or UNLIMITED,
        "max_msgs_per_subject": spec.max_messages_per_subject or UNLIMITED,
        "duplicate_window": _nanoseconds(spec.duplicate_window),
        "allow_atomic": spec.atomic_batches,
        "num_replicas": 1,
        **({"republish": _TELLING} if spec.told else {}),
    }


def _bucket_config(spec: BucketSpec) -> dict[str, Any]:
    return {
        "name": f"KV_{spec.name}",
        "description": spec.description,
        "subjects": [f"$KV.{spec.name}.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_age": 0,
        "max_bytes": UNLIMITED,
        "max_msgs_per_subject": 1,
        "duplicate_window": _nanoseconds(timedelta(minutes=2)),
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "allow_msg_ttl": spec.message_ttl,
        "deny_delete": True,
        "num_replicas": 1,
    }


def _consumer_config(spec: ConsumerSpec) -> dict[str, Any]:
    return {
        "name": spec.durable,
        "durable_name": spec.durable,
        "filter_subjects": list(spec.filters),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "ack_wait": _nanoseconds(spec.ack_wait),
        "max_deliver": UNLIMITED,
        "max_ack_pending": spec.max_ack_pending,
    }


def _nanoseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000


async def _main(settings: ProvisionSettings) -> None:
    connection = Connection(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name="slipway-provision",
    )
    try:
        async with asyncio.timeout(settings.provision_wait.total_seconds()):
            await connection.connect()
            await _provision_once_there(connection)
    except TimeoutError:
        raise ProvisioningError(connection.problem or f"no JetStream at {connection.place}") from None
    finally:
        await connection.close()


async def _provision_once_there(connection: Connection) -> None:
    """Provision, from the start again whenever the server goes away meanwhile."""
    said: str | None = None
    while True:
        try:
            return await provision(connection)
        except LogUnavailableError as error:
            if str(error) != said:
                _log.warning("waiting for NATS", problem=str(error))
                said = str(error)
        await asyncio.sleep(_POLL_SECONDS)


def main() -> None:
    """Provision the server that the `SLIPWAY_NATS_*` variables name; exit code 1 if that fails."""
    try:
        settings = ProvisionSettings.load()
        configure_logging(service="provision", instance=settings.service_instance, level=settings.log_level)
        asyncio.run(_main(settings))
    except SlipwayError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
