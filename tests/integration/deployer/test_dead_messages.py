"""Commands that a deployer gives up: they end, have no effect later, and delay nobody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from api_world import Api, running_api
from deployer_stand import KEY, desired, events, make_deployments, send
from deployment_world import make_deploy
from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.acknowledgement import DeadMessage
from slipway_chassis.broker import running
from slipway_chassis.connection import Connection
from slipway_chassis.errors import PermanentError
from slipway_chassis.event_log import EventLog, Outgoing, Receipt, Stored
from slipway_chassis.jetstream_api import publish
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts import subjects
from slipway_contracts.commands import Deploy
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import MessageDead, OperationFailed
from slipway_contracts.failure import Reason
from slipway_deployer.dead_messages import DeadMessages
from slipway_deployer.deployments import Deployments
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.main import make_handlers
from slipway_deployer.records import Key
from slipway_deployer.settings import DeployerSettings
from slipway_deployer.timing.agenda import Agenda
from slipway_deployer.timing.wakeups import Wakeups

SICK = ("default", "sick")


@dataclass
class Cause:
    """Lets the commands of one deployment fail while it is there; `held` ends how long they are in hand."""

    deployments: Deployments
    there: bool = True
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)

    async def advance(self, key: Key, *, resync: bool = False) -> bool:
        if self.there and key == SICK:
            self.taken.set()
            await self.held.wait()
            raise PermanentError("the disk is on fire")
        return await self.deployments.advance(key, resync=resync)


class SlowLog(EventLog):
    """A log on which something happens between a decision and its writing."""

    def __init__(self, *, connection: Connection, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(connection=connection)
        self._meanwhile = meanwhile

    async def publish_batch(self, batch: Sequence[Outgoing]) -> Receipt:
        await self._meanwhile()
        return await super().publish_batch(batch)


@asynccontextmanager
async def deployer(connection: Connection, log: EventLog, folder: Path) -> AsyncIterator[Cause]:
    """Run the handlers of a deployer on its consumer."""
    cause = Cause(make_deployments(log, MemoryEngine()))
    wakeups = Wakeups(advance=cause.advance, disown=cause.deployments.disown)
    metrics = Metrics(service="deployer")
    service = Service(
        name="deployer",
        settings=DeployerSettings(
            engine_dir=folder, supervisor_socket=folder / "socket", installation="test", blob_root=folder
        ),
        connection=connection,
        log=log,
        telemetry=Telemetry(),
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )
    agenda = Agenda(log=log, wake=wakeups.wake, disown=wakeups.disown, ports=FixedPorts())
    async with running(make_handlers(service, wakeups, agenda)):
        yield cause


async def poison(
    log: EventLog, key: Key = SICK, body: bytes = b'{"type": "command.deploy.v1"}', identifier: str = ""
) -> str:
    """Put a deploy that no deployer can read into the log by hand."""
    envelope = Envelope(
        id=identifier or new_id(), type="command.deploy.v1", source="/test", subject="/".join(key), time=now()
    )
    subject = f"slipway.{key[0]}.{key[1]}.cmd.deployer.deploy"
    await publish(log._connection, subject, body, headers=envelope.to_headers(), within=5)
    return envelope.id


async def ask(log: EventLog, command: Deploy) -> Stored:
    envelope = Envelope(id=new_id(), type=command.type, source="/test", subject="x/y", time=now())
    receipt = await log.publish(Outgoing(subject=subjects.of(command), message=command, envelope=envelope))
    stored = await log.get(receipt.sequence)
    assert stored is not None
    return stored


async def dead_of(log: EventLog, key: Key = SICK) -> list[Stored]:
    return [each async for each in log.read(subjects.dead_messages(*key), after=0)]


async def failed(log: EventLog, key: Key = SICK) -> list[OperationFailed]:
    found = [each.message async for each in log.read(subjects.failed_operations(*key), after=0)]
    return [each for each in found if isinstance(each, OperationFailed)]


async def started_at(log: EventLog, key: Key = KEY) -> int | None:
    stored = await log.last(f"slipway.{key[0]}.{key[1]}.evt.operation.started")
    return stored.sequence if stored else None


async def bury(log: EventLog, stored: Stored) -> None:
    await DeadMessages(log=log).bury(DeadMessage(stored=stored, deliveries=20, error="PermanentError: no"))


async def test_a_command_that_is_handled_badly_delays_no_other_deployment(
    connection: Connection, log: EventLog, tmp_path: Path
) -> None:
    async with deployer(connection, log, tmp_path) as cause:
        sick = await ask(log, make_deploy().model_copy(update={"deployment": "sick"}))
        await cause.taken.wait()
        await send(log, make_deploy())

        started = await eventually(lambda: started_at(log))
        cause.held.set()
        (dead,) = await eventually(lambda: dead_of(log))

    assert started is not None
    assert sick.sequence < started < dead.sequence
    (end,) = await failed(log)
    assert (end.operation, end.failure.reason) == (sick.envelope.id, Reason.MESSAGE_DEAD)
    assert f"slipway dead retry {sick.sequence}" in end.failure.hint


async def test_commands_that_cannot_be_read_end_and_delay_no_other_deployment(
    connection: Connection, log: EventLog, tmp_path: Path
) -> None:
    bodies = [b'{"type": "command.deploy.v1"}', b"\xff", make_deploy().model_dump_json().encode()]
    asked = [await poison(log, body=bodies[number % 3]) for number in range(60)]
    await send(log, make_deploy())

    async with deployer(connection, log, tmp_path) as cause:
        cause.there = False
        await eventually(lambda: started_at(log))

        async def all_dead() -> bool:
            return len(await dead_of(log)) == len(asked)

        await eventually(all_dead)

    ends = await failed(log)
    assert sorted(end.operation for end in ends) == sorted(asked), "each has one end"
    assert {end.failure.reason for end in ends} == {Reason.MESSAGE_DEAD}


@pytest.mark.parametrize("key", [("default", "ILL"), ("Ill", "digits")])
async def test_a_command_whose_subject_names_no_deployment_is_given_up_all_the_same(
    connection: Connection, log: EventLog, tmp_path: Path, key: Key
) -> None:
    await poison(log, key=key)
    told = "ill-named" if key[0] == "Ill" else "default", "ill-named" if key[1] == "ILL" else "digits"

    async with deployer(connection, log, tmp_path):
        (dead,) = await eventually(lambda: dead_of(log, told))

    assert isinstance(dead.message, MessageDead)
    assert dead.message.sequence == 1
    assert await failed(log, told) == []


async def test_a_command_whose_id_is_none_of_an_operation_is_given_up_all_the_same(
    connection: Connection, log: EventLog, tmp_path: Path
) -> None:
    await poison(log, identifier="p1")

    async with deployer(connection, log, tmp_path):
        (dead,) = await eventually(lambda: dead_of(log))

    assert isinstance(dead.message, MessageDead)
    assert (dead.message.message_id, len(await failed(log))) == ("p1", 1)


async def test_a_command_that_was_given_up_has_no_effect_later(log: EventLog) -> None:
    engine = MemoryEngine()
    dead = await ask(log, make_deploy())
    await bury(log, dead)
    await bury(log, dead)
    newer = await send(log, make_deploy())

    await make_deployments(log, engine).advance(KEY)

    (release,) = (await desired(log)).releases
    assert release.operation == newer
    told = await events(log)
    assert told.count("message.dead.v1") == told.count("operation.failed.v1") == 1
    assert told.count("operation.started.v1") == 1


async def test_a_command_that_is_given_up_while_it_is_decided_has_one_end(log: EventLog) -> None:
    dead = await ask(log, make_deploy())
    slow = SlowLog(connection=log._connection, meanwhile=lambda: bury(log, dead))

    await make_deployments(slow, MemoryEngine()).advance(KEY)

    assert await events(log) == ["message.dead.v1", "operation.failed.v1"]
    assert (await desired(log)).releases == ()


async def test_a_command_that_was_decided_keeps_its_outcome(log: EventLog) -> None:
    asked = await ask(log, make_deploy())
    await make_deployments(log, MemoryEngine()).advance(KEY)

    await bury(log, asked)

    assert await failed(log, KEY) == []
    (dead,) = await dead_of(log, KEY)
    assert isinstance(dead.message, MessageDead)


async def test_a_dead_command_is_seen_failed_and_retried_once_its_cause_is_gone(
    connection: Connection,
    log: EventLog,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    async with (
        running_api(connection=connection, database_url=await make_database(), folder=tmp_path) as api,
        deployer(connection, log, tmp_path) as cause,
    ):
        await api.platform.publish_version(deployment="sick")
        cause.held.set()
        asked = (await api.create("sick", headers={"Prefer": "wait=20"})).json()
        operation = asked["operation"]
        sequence = await listed(api)
        cause.there = False
        retried = (await api.http.post(f"/v1/dead/{sequence}/retry")).json()
        started = await eventually(lambda: started_at(log, SICK))
        releases = await api.http.get(
            "/v1/groups/default/deployments/sick/releases", params={"at_least": await log.end()}
        )

    assert (operation["state"], operation["failure"]["reason"]) == ("FAILED", "MessageDead")
    assert started > retried["sequence"] > sequence
    assert [each["operation"] for each in releases.json()["items"]] == [retried["operation"]["id"]]


async def listed(api: Api) -> int:
    """Return the sequence of the only dead command: the end of the build may have been given up too."""
    page = await api.http.get("/v1/dead", params={"at_least": await api.platform.log.end()})
    (dead,) = [each for each in page.json()["items"] if each["message_type"] == "command.deploy.v1"]
    return int(dead["sequence"])
