"""Messages that were given up, with what became of each, in pages by the index that is kept of them."""

from typing import Any

import pytest
from slipway_contracts.codec import encode
from slipway_contracts.events import MessageDead, MessageDiscarded, MessageRetried
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import derived_id
from slipway_store import dead_reads
from slipway_store.dead_reads import DeadState
from slipway_store.queries import Reads
from slipway_store.records import LOGGED
from slipway_store.rows import LoggedRow
from store_world import AT, World

AGAIN = derived_id("again")


def make_dead(sequence: int, group: str = "default", deployment: str = "digits") -> MessageDead:
    return MessageDead(
        group=group,
        deployment=deployment,
        service="deployer",
        sequence=sequence,
        message_id=derived_id("command", sequence),
        message_type="command.deploy.v1",
        deliveries=20,
        error="PermanentError: no",
    )


def make_event(sequence: int, message: DeploymentMessage, **overrides: Any) -> LoggedRow:
    values: dict[str, Any] = {
        "sequence": sequence,
        "id": f"e{sequence}",
        "type": message.type,
        "subject": "any",
        "group": message.group,
        "deployment": message.deployment,
        "source": "/slipway/deployer",
        "time": AT,
        "body": encode(message).decode(),
    }
    return LoggedRow(**values | overrides)


@pytest.fixture
async def told(world: World) -> None:
    owner: dict[str, Any] = {"group": "default", "deployment": "digits"}
    await world.write(
        LOGGED,
        make_event(11, make_dead(1)),
        make_event(12, make_dead(2)),
        make_event(13, make_dead(3, deployment="other")),
        make_event(14, make_dead(4, group="team")),
        make_event(15, MessageRetried(**owner, sequence=2, operation=AGAIN, by="ada")),
        make_event(16, MessageDiscarded(**owner, sequence=1, by="bob")),
        make_event(17, make_dead(5), body='"no JSON of its type"'),
    )


@pytest.mark.usefixtures("told")
async def test_each_is_told_with_what_became_of_it_the_last_given_up_first(reads: Reads) -> None:
    found = await reads.dead_messages(groups=None, limit=9)

    assert [(row.sequence, row.state, row.operation, row.settled_by) for row in found] == [
        (4, "open", None, None),
        (3, "open", None, None),
        (2, "retried", AGAIN, "ada"),
        (1, "discarded", None, "bob"),
    ]
    assert (found[0].group, found[0].deployment, found[0].at) == ("team", "digits", AT)
    assert (found[0].service, found[0].deliveries, found[0].error) == ("deployer", 20, "PermanentError: no")


@pytest.mark.usefixtures("told")
async def test_pages_and_filters_join_without_gap(reads: Reads) -> None:
    async def sequences(**wish: Any) -> list[int]:
        return [row.sequence for row in await reads.dead_messages(**{"groups": None, "limit": 9, **wish})]

    (first,) = await reads.dead_messages(groups=["default"], limit=1)

    assert first.sequence == 3
    assert await sequences(groups=["default"], before=first.said) == [2, 1]
    assert await sequences(groups=["default"], deployment="digits") == [2, 1]
    assert await sequences(groups=["default", "team"], state=DeadState.OPEN) == [4, 3]
    assert await sequences(state=DeadState.RETRIED) == [2]
    assert await sequences(state=DeadState.DISCARDED) == [1]
    assert await sequences(groups=[]) == []


@pytest.mark.usefixtures("told")
async def test_the_log_is_not_walked_for_them(world: World) -> None:
    alive = [make_event(100 + each, make_dead(each), type="release.ready.v1") for each in range(5000)]
    await world.write(LOGGED, *alive)
    await world.connection.execute("analyze event")

    plan = await world.connection.fetch(f"explain {dead_reads._SELECT} order by said desc limit 51")

    told = "\n".join(str(line[0]) for line in plan)
    assert told.count("ix_event_dead") == 2, told
    assert "Seq Scan" not in told
