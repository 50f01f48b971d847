import json
from typing import Any

import pytest
from slipway_contracts.topology import CONSUMERS, RIGHTS, ConsumerSpec, ServiceRights
from slipway_standalone.credentials import NATS_PROVISIONER
from slipway_standalone.nats import SERVICES, configuration, nats_permissions

PASSWORDS = {name: f"secret of {name}" for name in (*SERVICES, NATS_PROVISIONER)}
CHANGES_OF_STREAMS = (
    "$JS.API.STREAM.CREATE.SLIPWAY",
    "$JS.API.STREAM.UPDATE.SLIPWAY",
    "$JS.API.STREAM.DELETE.SLIPWAY",
    "$JS.API.STREAM.PURGE.SLIPWAY",
    "$JS.API.STREAM.MSG.DELETE.SLIPWAY",
)


def matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1] if len(given) >= len(wanted) else []
    return len(wanted) == len(given) and all(
        each in ("*", found) for each, found in zip(wanted, given, strict=True)
    )


def may_publish(service: str, subject: str) -> bool:
    publish: dict[str, Any] = nats_permissions(service)["publish"]  # type: ignore[assignment]
    return any(matches(each, subject) for each in publish["allow"]) and not any(
        matches(each, subject) for each in publish["deny"]
    )


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("subject", CHANGES_OF_STREAMS)
def test_no_service_may_change_or_empty_a_stream(service: str, subject: str) -> None:
    assert not may_publish(service, subject)


@pytest.mark.parametrize("rights", RIGHTS, ids=lambda rights: rights.service)
def test_a_service_may_publish_what_the_topology_grants_and_only_that(rights: ServiceRights) -> None:
    foreign = {
        subject
        for other in RIGHTS
        for subject in other.publish
        if not any(matches(own, subject) for own in rights.publish)
    }

    assert all(may_publish(rights.service, subject) for subject in rights.publish)
    assert not any(may_publish(rights.service, subject) for subject in foreign)


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
@pytest.mark.parametrize("service", SERVICES)
def test_only_the_owner_of_a_durable_takes_its_messages(consumer: ConsumerSpec, service: str) -> None:
    name = f"{consumer.stream}.{consumer.durable}"
    is_owner = service == consumer.service

    for subject in (
        f"$JS.API.CONSUMER.MSG.NEXT.{name}",
        f"$JS.API.CONSUMER.CREATE.{name}",
        f"$JS.API.CONSUMER.CREATE.{name}.slipway.>",
        f"$JS.API.CONSUMER.DELETE.{name}",
        f"$JS.ACK.{name}.1.2.3.4.5",
    ):
        assert may_publish(service, subject) == is_owner, subject
    assert may_publish(service, f"$JS.API.CONSUMER.INFO.{name}")


@pytest.mark.parametrize("service", SERVICES)
def test_only_who_handles_secrets_reads_their_boxes_and_only_the_api_writes_them(service: str) -> None:
    for subject in (
        "$JS.API.STREAM.MSG.GET.KV_secrets",
        "$JS.API.STREAM.INFO.KV_secrets",
        "$JS.API.DIRECT.GET.KV_secrets.$KV.secrets.g.token.1",
        "$JS.API.CONSUMER.CREATE.KV_secrets",
        "$JS.API.CONSUMER.CREATE.KV_secrets.name.$KV.secrets.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.KV_secrets.name",
    ):
        assert may_publish(service, subject) == (service in {"api", "deployer"}), subject
    assert may_publish(service, "$KV.secrets.g.token.1") == (service == "api")


@pytest.mark.parametrize("bucket", ["webhooks", "webhook-secrets"])
@pytest.mark.parametrize("service", SERVICES)
def test_only_the_api_and_the_notifier_know_of_webhooks(service: str, bucket: str) -> None:
    writers = {"webhooks": {"notifier"}, "webhook-secrets": {"api", "notifier"}}[bucket]

    for subject in (f"$JS.API.STREAM.MSG.GET.KV_{bucket}", f"$JS.API.CONSUMER.CREATE.KV_{bucket}.name"):
        assert may_publish(service, subject) == (service in {"api", "notifier"}), subject
    assert may_publish(service, f"$KV.{bucket}.one") == (service in writers)


def test_nobody_connects_without_a_password_and_only_on_the_loopback() -> None:
    config = json.loads(configuration(port=8701, passwords=PASSWORDS, store="nats/store", limit_bytes=1))

    assert {user["user"]: user["password"] for user in config["authorization"]["users"]} == PASSWORDS
    assert config["listen"] == "127.0.0.1:8701"
    assert "http" not in config
