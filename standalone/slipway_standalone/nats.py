"""The configuration of the NATS server: where it stores, and what each user may publish and subscribe."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from slipway_contracts.topology import BUCKETS, CONSUMERS, RIGHTS, BucketSpec, ConsumerSpec, inbox_prefix

from slipway_standalone.credentials import NATS_PROVISIONER

SERVICES: Final = tuple(rights.service for rights in RIGHTS)
_READING: Final = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.CONSUMER.>",
    "$JS.ACK.>",
    "$JS.FC.>",
)


def nats_permissions(service: str) -> dict[str, object]:
    """What a service's user may do: publish its own subjects, read what all may, consume its own durables.

    Nobody but the provisioner creates, changes, purges or deletes a stream, or touches a foreign durable.
    """
    rights = next(rights for rights in RIGHTS if rights.service == service)
    written = tuple(f"$KV.{bucket}.>" for bucket in rights.buckets_written)
    foreign = [consumer for consumer in CONSUMERS if consumer.service != service]
    closed = [bucket for bucket in BUCKETS if bucket.readers is not None and service not in bucket.readers]
    denied = (*map(_touching, foreign), *map(_reading, closed))
    return {
        "publish": {
            "allow": [*rights.publish, *written, *_READING],
            "deny": [subject for subjects in denied for subject in subjects],
        },
        "subscribe": {"allow": [f"{inbox_prefix(service)}.>", "slipway.>"]},
    }


def configuration(
    *,
    port: int,
    passwords: Mapping[str, str],
    store: str,
    limit_bytes: int,
    others: Iterable[Mapping[str, object]] = (),
) -> str:
    """The server's configuration file, with other users than our own; JSON is a part of its syntax."""
    users: list[dict[str, object]] = [
        {"user": service, "password": passwords[service], "permissions": nats_permissions(service)}
        for service in SERVICES
    ]
    users.append({"user": NATS_PROVISIONER, "password": passwords[NATS_PROVISIONER]})
    return json.dumps(
        {
            "server_name": "slipway",
            "listen": f"127.0.0.1:{port}",
            "jetstream": {
                "store_dir": store,
                "max_memory_store": 64 << 20,
                "max_file_store": limit_bytes,
            },
            "authorization": {"users": [*users, *others]},
        },
        indent=2,
    )


def _touching(consumer: ConsumerSpec) -> tuple[str, ...]:
    name = f"{consumer.stream}.{consumer.durable}"
    return (
        f"$JS.API.CONSUMER.CREATE.{name}",
        f"$JS.API.CONSUMER.CREATE.{name}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{name}",
        f"$JS.API.CONSUMER.DELETE.{name}",
        f"$JS.API.CONSUMER.PAUSE.{name}",
        f"$JS.API.CONSUMER.MSG.NEXT.{name}",
        f"$JS.ACK.{name}.>",
    )


def _reading(bucket: BucketSpec) -> tuple[str, ...]:
    name = f"KV_{bucket.name}"
    return (
        f"$JS.API.STREAM.INFO.{name}",
        f"$JS.API.STREAM.MSG.GET.{name}",
        f"$JS.API.DIRECT.GET.{name}",
        f"$JS.API.DIRECT.GET.{name}.>",
        f"$JS.API.CONSUMER.CREATE.{name}",
        f"$JS.API.CONSUMER.CREATE.{name}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{name}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{name}.>",
    )
