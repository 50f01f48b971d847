"""Messages that no service can handle: users see it, nobody waits, they are retried or discarded."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform, ended
from pydantic import SecretStr
from slipway.documents import Accepted, Operation
from slipway_chassis.connection import Connection
from slipway_chassis.jetstream_api import publish
from slipway_contracts import codec
from slipway_contracts.commands import Build
from slipway_contracts.envelope import Envelope, new_id, now

GREETER = FIXTURES / "greeter"


@pytest.fixture
async def provisioner(platform: RunningPlatform) -> AsyncIterator[Connection]:
    """A connection that may publish whatever it wants."""
    credentials = json.loads((platform.state / "credentials.json").read_text())
    ports = json.loads((platform.state / "installation.json").read_text())["ports"]
    connection = await Connection.open(
        url=f"nats://127.0.0.1:{ports['nats']}",
        user="provisioner",
        password=SecretStr(credentials["nats"]["provisioner"]),
        name="poisoner",
    )
    yield connection
    await connection.close()


async def poison(connection: Connection, service: str, deployment: str, kind: str, body: bytes) -> Accepted:
    """Put a command into the log by hand, and return what the api would have answered."""
    envelope = Envelope(id=new_id(), type=kind, source="/test", subject=f"default/{deployment}", time=now())
    subject = f"slipway.default.{deployment}.cmd.{service}"
    answer = await publish(connection, subject, body, headers=envelope.to_headers(), within=5)
    operation = Operation(id=envelope.id, kind="deploy", state="PENDING", deployment=deployment)
    return Accepted(operation=operation, deployment=deployment, sequence=int(answer["seq"]))


def asked(platform: RunningPlatform, *words: str) -> Any:
    ran = platform.slipway(*words, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("service", "kind"), [("deployer.deploy", "command.deploy.v1"), ("builder.build", "command.build.v1")]
)
async def test_a_poison_message_ends_for_its_user_and_delays_nobody_else(
    platform: RunningPlatform, provisioner: Connection, service: str, kind: str
) -> None:
    name, sick = service.partition(".")[0], f"sick-{service.partition('.')[0]}"
    bodies = (b"\xff", b'{"type": "%s"}' % kind.encode())
    poisoned = [await poison(provisioner, service, sick, kind, bodies[each % 2]) for each in range(20)]

    beside = asked(platform, "deploy", str(GREETER), "--name", f"beside-{name}")
    async with platform.client() as client:
        ends = [await ended(client, each) for each in poisoned]
    listed = asked(platform, "dead", "list", "--name", sick, "--in-state", "open")
    first = str(poisoned[0].sequence)
    shown = platform.slipway("dead", "show", first)
    refused = platform.slipway("dead", "retry", first)
    discarded = asked(platform, "dead", "discard", first)
    again = platform.slipway("dead", "discard", first)

    assert beside["state"] == "SUCCEEDED"
    assert {end.state for end in ends} == {"FAILED"}
    assert {end.failure.reason for end in ends if end.failure} == {"MessageDead"}
    assert all(
        f"slipway dead show {each.sequence}" in end.failure.hint
        for each, end in zip(poisoned, ends, strict=True)
        if end.failure
    )
    assert sorted(each["sequence"] for each in listed) == [each.sequence for each in poisoned]
    assert kind in shown.stdout
    assert "It cannot be retried." in shown.stdout
    assert f"slipway dead discard {first}" in shown.stdout
    assert (refused.returncode, "DeadMessageUnreadable" in refused.stderr) == (1, True)
    assert discarded["state"] == "discarded"
    assert (again.returncode, f"slipway dead show {first}" in again.stderr) == (1, True)


async def test_a_dead_command_is_retried_once_its_cause_is_gone(
    platform: RunningPlatform, provisioner: Connection
) -> None:
    async with platform.client() as client:
        source = await client.upload_folder(GREETER)
        command = Build(
            group="default",
            deployment="retried",
            by="ada",
            request_digest="d",
            source=source,
            label="anew",
            deadline_at=now() + timedelta(minutes=1),
        )
        # The builder's consumer of cancels knows no builds; the api sends it where it belongs.
        misled = await poison(provisioner, "builder.cancel", "retried", command.type, codec.encode(command))
        failed = await ended(client, misled)
    sequence = str(misled.sequence)

    retried = platform.slipway("dead", "retry", sequence)
    shown = asked(platform, "dead", "show", sequence)
    listed = platform.slipway("dead", "list", "--name", "retried").stdout

    assert failed.state == "FAILED"
    assert retried.returncode == 0, retried.stdout + retried.stderr
    assert "slipway builds retried" in retried.stdout
    assert (shown["state"], shown["body"]["label"]) == ("retried", "anew")
    assert [each["label"] for each in asked(platform, "versions", "list", "retried")] == ["anew"]
    assert [line.split()[:4] for line in listed.splitlines()[1:]] == [
        [sequence, "retried", "command.build.v1", "retried"]
    ]
