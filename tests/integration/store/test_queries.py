import asyncio
from typing import Any

import pytest
from log_script import DIGEST, GROUP, make_failure
from servers import PostgresServer
from slipway_contracts.lifecycle import (
    BuildState,
    DeploymentState,
    OperationState,
    ReleaseState,
)
from slipway_contracts.replica import ReplicaState
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.history_reads import EventFilters
from slipway_store.migrate import upgrade
from slipway_store.queries import Reads, open_reads
from slipway_store.records import (
    BUILD,
    DEPLOYMENT,
    EVENT,
    KEY,
    OPERATION,
    RELEASE,
    REPLICA,
    TARGET,
    VERSION,
)
from slipway_store.rows import (
    BuildRow,
    BuildStep,
    EventRow,
    KeyRow,
    OperationRow,
    StepState,
    TargetRow,
)
from store_world import AT, SECOND, World, make_deployment, make_release, make_replica, make_version_row


def make_operation(number: int, **overrides: Any) -> OperationRow:
    values: dict[str, Any] = {
        "id": f"o{number}",
        "group": GROUP,
        "deployment": "digits",
        "kind": "deploy",
        "state": OperationState.RUNNING,
        "request_digest": "d",
        "created_at": AT,
        "created_by": "ada",
        "accepted": number,
        "sequence": 10 + number,
    }
    return OperationRow(**values | overrides)


def make_build(number: int, **overrides: Any) -> BuildRow:
    values: dict[str, Any] = {
        "id": f"b{number}",
        "group": GROUP,
        "deployment": "digits",
        "state": BuildState.RUNNING,
        "source": DIGEST,
        "label": None,
        "created_at": AT,
        "created_by": "ada",
        "steps": (BuildStep(name="unpack", state=StepState.SUCCEEDED, seconds=0.1, detail="3 files"),),
        "accepted": number,
        "sequence": 10 + number,
    }
    return BuildRow(**values | overrides)


def make_event(sequence: int, **overrides: Any) -> EventRow:
    values: dict[str, Any] = {
        "sequence": sequence,
        "id": f"e{sequence}",
        "type": "release.ready.v1",
        "subject": "slipway.default.digits.evt.release.ready",
        "group": GROUP,
        "deployment": "digits",
        "source": "/slipway/deployer",
        "time": AT,
        "body": {"release": 1},
    }
    return EventRow(**values | overrides)


def make_key(number: int, **overrides: Any) -> KeyRow:
    values: dict[str, Any] = {
        "id": f"k{number}",
        "digest": f"sha256:{number:064x}",
        "user": "ada",
        "grants": ({"group": "*", "role": "admin"},),
        "revoked": False,
        "created_at": AT + number * SECOND,
        "changed_at": AT,
        "sequence": number,
    }
    return KeyRow(**values | overrides)


async def test_rows_come_back_as_they_were_written(world: World, reads: Reads) -> None:
    deployment = make_deployment()
    release = make_release(1, state=ReleaseState.FAILED, failure=make_failure(), ended_at=AT)
    build = make_build(1, failure=make_failure())
    target = TargetRow(name="local", engine="supervisor", cpu=1.5, memory_bytes=1 << 40, sequence=1)
    replica = make_replica("0-1", log_tail=("a", "ü\n"), listening=(8080,), exit_code=-9)
    await world.write(DEPLOYMENT, deployment)
    await world.write(RELEASE, release)
    await world.write(BUILD, build)
    await world.write(TARGET, target)
    await world.write(REPLICA, replica)
    await world.write(KEY, make_key(1))

    status = await reads.deployment(GROUP, "digits")

    assert status is not None
    assert status.model_dump() == deployment.model_dump(exclude={"facts", "words", "listed"})
    assert await reads.facts(GROUP, "digits") == deployment.facts
    found = await reads.release(GROUP, "digits", 1)
    assert found is not None
    assert found.model_dump() == release.model_dump() | {"restorable": True}
    assert await reads.build("b1") == build
    assert await reads.targets() == [target]
    assert await reads.replicas_shown(GROUP, "digits") == [replica]
    assert await reads.keys() == [make_key(1)]


async def test_what_is_not_there_is_none_or_an_empty_page(reads: Reads) -> None:
    singles = await asyncio.gather(
        reads.deployment(GROUP, "nope"),
        reads.facts(GROUP, "nope"),
        reads.release(GROUP, "nope", 1),
        reads.build("nope"),
        reads.version(GROUP, "nope", "1"),
        reads.operation("nope"),
        reads.group("nope"),
        reads.key("nope"),
        reads.checkpoint(),
    )
    pages = await asyncio.gather(
        reads.deployments(groups=None, limit=5),
        reads.releases(GROUP, "nope", limit=5),
        reads.builds(groups=[], limit=5),
        reads.operations(groups=None, limit=5),
        reads.events(groups=None, limit=5),
    )

    assert singles == [None] * 9
    assert not any(pages)


async def test_an_older_row_never_replaces_a_newer_one(world: World, reads: Reads) -> None:
    await world.write(BUILD, make_build(1, state=BuildState.SUCCEEDED, sequence=20))

    await world.write(BUILD, make_build(1, state=BuildState.RUNNING, sequence=19))
    await world.write(BUILD, make_build(1, state=BuildState.QUEUED, sequence=20))

    found = await reads.build("b1")
    assert found is not None
    assert found.state is BuildState.SUCCEEDED


async def test_pages_of_deployments_join_without_gap_and_leave_deleted_ones_out(
    world: World, reads: Reads
) -> None:
    names = [("a", "x"), ("a", "z"), ("b", "a"), ("b", "m")]
    await world.write(DEPLOYMENT, *(make_deployment(name, group=group) for group, name in names))
    await world.write(DEPLOYMENT, make_deployment("gone", group="a", state=DeploymentState.DELETED))
    await world.write(DEPLOYMENT, make_deployment("far", group="c", target="farm"))

    first = await reads.deployments(groups=["a", "b"], limit=3)
    last = first[-1]
    rest = await reads.deployments(groups=["a", "b"], after=(last.group, last.id), limit=3)

    assert [(row.group, row.id) for row in first + rest] == names
    assert [row.id for row in await reads.deployments(groups=None, target="farm", limit=9)] == ["far"]
    deleted = await reads.deployments(groups=None, states=[DeploymentState.DELETED], limit=9)
    assert [row.id for row in deleted] == ["gone"]


async def test_histories_come_newest_first_and_go_on_below_the_last_key(world: World, reads: Reads) -> None:
    await world.write(RELEASE, *(make_release(number) for number in range(1, 6)))
    await world.write(OPERATION, *(make_operation(number) for number in range(1, 6)))
    await world.write(BUILD, *(make_build(number) for number in range(1, 6)))
    await world.write(BUILD, make_build(6, state=BuildState.FAILED, deployment="words"))

    releases = await reads.releases(GROUP, "digits", limit=2)
    older = await reads.releases(GROUP, "digits", before=releases[-1].number, limit=9)
    operations = await reads.operations(groups=[GROUP], before=3, limit=9)
    builds = await reads.builds(groups=[GROUP], deployment="digits", limit=2)
    failed = await reads.builds(groups=None, states=[BuildState.FAILED], limit=9)

    assert [row.number for row in releases + older] == [5, 4, 3, 2, 1]
    assert [row.accepted for row in operations] == [2, 1]
    assert [row.id for row in builds] == ["b5", "b4"]
    assert [row.id for row in failed] == ["b6"]


async def test_an_operation_without_a_deadline_has_that_of_its_release(world: World, reads: Reads) -> None:
    own = make_operation(1, deadline_at=AT, release=1)
    of_release = make_operation(2, release=1)
    await world.write(RELEASE, make_release(1, deadline_at=AT + SECOND))
    await world.write(OPERATION, own, of_release, make_operation(3))

    deadlines = [
        operation.deadline_at if operation else None
        for operation in [await reads.operation(name) for name in ("o1", "o2", "o3")]
    ]

    assert deadlines == [AT, AT + SECOND, None]


async def test_a_version_is_found_by_label_before_it_is_found_by_id(world: World, reads: Reads) -> None:
    rows = [make_version_row(1, id="v1", label="one"), make_version_row(2, id="v2", label="v1")]
    await world.write(VERSION, *rows)

    by_label = await reads.version(GROUP, "digits", "v1")
    by_id = await reads.version(GROUP, "digits", "v2")

    assert by_label == rows[1]
    assert by_id == rows[1]
    assert await reads.versions(GROUP, "digits", limit=9) == [rows[1], rows[0]]


async def test_events_come_in_log_order_filtered_by_owner_and_type(world: World, reads: Reads) -> None:
    await world.write(
        EVENT,
        make_event(1),
        make_event(2, type="desired.v1"),
        make_event(3, deployment="words"),
        make_event(4, group=None, deployment=None, type="target.lost.v1", body="no json"),
        make_event(5, id="e1"),
    )

    everything = await reads.events(groups=None, limit=9)
    of_group = await reads.events(groups=[GROUP], deployment="digits", after=1, limit=9)
    of_type = await reads.events(groups=None, types=["target.lost.v1", "x"], limit=9)

    assert [row.sequence for row in everything] == [1, 2, 3, 4], "an id that came twice counts once"
    assert [row.sequence for row in of_group] == [2]
    assert [row.body for row in of_type] == ["no json"]


async def test_events_for_a_reader_are_those_of_the_stream_by_the_begin_of_types(
    world: World, reads: Reads
) -> None:
    await world.write(
        EVENT,
        make_event(1, type="release.live.v1"),
        make_event(2, type="desired.v1"),
        make_event(3, group="vision", type="release.frozen.v9"),
        make_event(4, group=None, deployment=None, type="target.lost.v1"),
        make_event(5, group=None, deployment=None, type="key.configured.v1", about="ada"),
        make_event(6, type="releases.v1"),
    )

    async def sent(**filters: Any) -> list[int]:
        return [row.sequence for row in await reads.events_for(EventFilters(**filters), limit=9)]

    assert await sent(only_by_name=["desired.v1"]) == [1, 3, 4, 5, 6]
    assert await sent(types=["release", "desired.v1"], only_by_name=["desired.v1"]) == [1, 2, 3]
    assert await sent(groups=["vision"], public=["target"]) == [3, 4]
    assert await sent(group="vision", groups=["vision"], public=["target"]) == [3]
    assert await sent(deployment="digits", groups=[GROUP], public=["target"]) == [1, 2, 6]
    assert await sent(types=["%", "rel%", "_elease"]) == []
    assert [row.about for row in await reads.events_for(EventFilters(types=["key"]), after=4, limit=1)] == [
        "ada"
    ]


async def test_a_workload_is_known_by_its_endpoint_also_when_its_replicas_are_gone(
    world: World, reads: Reads
) -> None:
    gone = make_replica("0-1", state=ReplicaState.GONE)
    await world.write(REPLICA, gone)

    assert await reads.endpoint_of(GROUP, "digits", gone.workload) == gone.endpoint
    assert await reads.endpoint_of(GROUP, "digits", "0" * 16) is None
    assert await reads.endpoint_of(GROUP, "words", gone.workload) is None


async def test_a_key_is_found_by_its_digest(world: World, reads: Reads) -> None:
    await world.write(KEY, make_key(1), make_key(2, revoked=True))

    assert await reads.key(make_key(2).digest) == make_key(2, revoked=True)
    assert [row.id for row in await reads.keys()] == ["k2", "k1"]


async def test_values_with_quotes_and_wildcards_are_only_values(reads: Reads) -> None:
    assert await reads.deployment("x' or '1'='1", '"; drop table event; --') is None
    assert await reads.events(groups=["%"], types=["%"], limit=1) == []


async def test_a_reader_of_a_position_waits_until_it_is_there_and_no_longer(
    world: World, reads: Reads
) -> None:
    await world.stand_at(5)

    early = asyncio.create_task(reads.wait_for(7, 10 * SECOND))
    present = await reads.wait_for(5, 10 * SECOND)
    never = await reads.wait_for(8, SECOND / 20)
    await world.stand_at(7)

    assert (present, never) == (True, False)
    assert await early


async def test_reads_on_a_database_without_tables_say_so(postgres_server: PostgresServer) -> None:
    reads = await open_reads(postgres_server.url())

    with pytest.raises(DatabaseUnavailableError, match="run the migrations"):
        await reads.deployments(groups=None, limit=1)

    await reads.close()


async def test_reads_survive_a_killed_postgres(own_postgres: PostgresServer) -> None:
    await upgrade(own_postgres.url())
    reads = await open_reads(own_postgres.url())
    await asyncio.gather(*(reads.checkpoint() for _ in range(8)))

    await asyncio.to_thread(own_postgres.kill9)
    with pytest.raises(DatabaseUnavailableError, match="Postgres does not answer"):
        await reads.checkpoint()
    await asyncio.to_thread(own_postgres.start)

    assert await reads.checkpoint() is None
    await reads.close()


async def test_reads_survive_their_connections_being_ended(world: World, reads: Reads) -> None:
    await asyncio.gather(*(reads.checkpoint() for _ in range(8)))

    await world.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )

    assert await asyncio.gather(*(reads.checkpoint() for _ in range(8))) == [None] * 8


async def test_reads_survive_a_change_of_their_tables(world: World, reads: Reads) -> None:
    await world.write(DEPLOYMENT, make_deployment())
    for _ in range(3):
        await reads.deployment(GROUP, "digits")

    await world.connection.execute("alter table deployment alter column ready type numeric")
    await world.connection.execute("alter table deployment alter column ready type bigint")

    status = await reads.deployment(GROUP, "digits")
    assert status is not None
    assert status.ready == 1
