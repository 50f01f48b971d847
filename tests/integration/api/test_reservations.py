"""Reservations on a real Postgres: of many at once, in several processes, no more than there is room for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from slipway_api.submitting.reservations import SCHEMA, Reservations, ReservationWish, Use
from slipway_contracts.envelope import new_id
from slipway_contracts.quota import Charge
from slipway_store.connections import open_pool

_ONE = Charge(deployments=1, replicas=1, cpu=0.5, memory_bytes=1 << 30)


class FullError(Exception):
    """There is no room."""


def make_wish(deployment: str, charge: Charge = _ONE, **overrides: Any) -> ReservationWish:
    values: dict[str, Any] = {
        "id": new_id(),
        "command": new_id(),
        "group": "default",
        "deployment": deployment,
        "target": "local",
        "charge": charge,
        "behind": 0,
    }
    return ReservationWish(**(values | overrides))


def at_most(deployments: int) -> Callable[[Use, Use | None], None]:
    def judge(of_group: Use, _: Use | None) -> None:
        if of_group.all.deployments + 1 > deployments:
            raise FullError

    return judge


def anything(_: Use, __: Use | None) -> None:
    """Refuse nothing."""


class Stand:
    """A database, and as many api processes as a test asks for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pools: list[asyncpg.Pool] = []

    async def process(self) -> Reservations:
        pool = await open_pool(self.url, schema=SCHEMA, most=4)
        self._pools.append(pool)
        return Reservations(pool=pool)

    async def sql(self, statement: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    async def project(self, sequence: int, **charges: int) -> None:
        """Let the projection hold the log up to this sequence, with these deployments' replicas."""
        await self.sql("delete from slipway.checkpoint")
        await self.sql(
            "insert into slipway.checkpoint (stream, projection, sequence, event_id) values ('S', 1, $1, '')",
            sequence,
        )
        columns = await self.sql(
            "select array_agg(column_name::text || ':' || data_type) from information_schema.columns "
            "where table_schema = 'slipway' and table_name = 'deployment' and is_nullable = 'NO'"
        )
        for deployment, replicas in charges.items():
            await self._deployment(columns, deployment, replicas)

    async def _deployment(self, columns: list[str], deployment: str, replicas: int) -> None:
        known = {
            "group": "'default'",
            "id": f"'{deployment}'",
            "charge_deployments": str(int(replicas > 0)),
            "charge_replicas": str(replicas),
        }
        plain = {"jsonb": "'{}'", "text": "''", "boolean": "true", "timestamp with time zone": "now()"}
        names, values = [], []
        for column in columns:
            name, _, kind = column.partition(":")
            names.append(f'"{name}"')
            values.append(known.get(name, plain.get(kind, "0")))
        await self.sql(f"delete from slipway.deployment where id = '{deployment}'")  # noqa: S608
        await self.sql(
            f"insert into slipway.deployment ({', '.join(names)}, target) "  # noqa: S608
            f"values ({', '.join(values)}, 'local')"
        )

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()


@pytest.fixture
async def stand(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Stand]:
    stand = Stand(await make_database())
    yield stand
    await stand.close()


async def test_of_a_hundred_wishes_in_three_processes_ten_are_kept(stand: Stand) -> None:
    processes = [await stand.process() for _ in range(3)]

    outcomes = await asyncio.gather(
        *(processes[n % 3].reserve(make_wish(f"d{n}"), at_most(10)) for n in range(100)),
        return_exceptions=True,
    )

    assert sum(outcome is None for outcome in outcomes) == 10
    assert all(outcome is None or isinstance(outcome, FullError) for outcome in outcomes)
    assert (await processes[0].of_groups(["default"]))["default"].deployments == 10


async def test_a_process_that_stands_still_in_its_turn_lets_the_others_go_on(stand: Stand) -> None:
    reservations = await stand.process()
    await reservations.reserve(make_wish("d"), anything)
    pool = await open_pool(stand.url, schema=SCHEMA, most=1, idle_seconds=0.2)
    still = await pool.acquire()
    await still.execute("begin")
    await still.execute("update turn set name = name")

    async with asyncio.timeout(10):
        await reservations.reserve(make_wish("e"), anything)

    assert (await reservations.of_groups(["default"]))["default"].deployments == 2
    pool.terminate()


async def test_what_is_refused_holds_nothing(stand: Stand) -> None:
    reservations = await stand.process()

    with pytest.raises(FullError):
        await reservations.reserve(make_wish("d"), at_most(0))

    assert await reservations.of_groups(["default"]) == {}


async def test_a_question_without_keeping_holds_nothing(stand: Stand) -> None:
    reservations = await stand.process()

    await reservations.reserve(make_wish("d"), at_most(1), keep=False)

    assert await reservations.of_groups(["default"]) == {}


async def test_a_repeated_reservation_is_kept_once(stand: Stand) -> None:
    reservations, wish = await stand.process(), make_wish("d")

    await reservations.reserve(wish, anything)
    await reservations.reserve(wish, anything)

    assert await reservations.of_groups(["default"]) == {"default": _ONE}


async def test_a_deployment_is_counted_once_by_the_larger_of_projection_and_reservations(
    stand: Stand,
) -> None:
    reservations = await stand.process()
    await stand.project(5, digits=3, other=2)

    await reservations.reserve(make_wish("digits", _ONE.model_copy(update={"replicas": 4})), anything)
    await reservations.reserve(make_wish("other"), anything)

    assert (await reservations.of_groups(["default"]))["default"].replicas == 4 + 2
    assert (await reservations.of_targets(["local"]))["local"].replicas == 4 + 2


async def test_the_judge_sees_what_the_deployment_itself_has(stand: Stand) -> None:
    reservations = await stand.process()
    await stand.project(5, digits=3, other=2)
    seen: list[tuple[int, int]] = []

    def judge(of_group: Use, of_target: Use | None) -> None:
        assert of_target is not None
        seen.append((of_group.all.replicas, of_group.own.replicas))
        seen.append((of_target.all.replicas, of_target.own.replicas))

    await reservations.reserve(make_wish("digits"), judge)

    assert seen == [(5, 3), (5, 3)]


async def test_a_confirmed_reservation_counts_until_the_projection_holds_its_command(stand: Stand) -> None:
    reservations, wish = await stand.process(), make_wish("digits")
    await stand.project(5)
    await reservations.reserve(wish, anything)

    await reservations.confirm({wish.id: 6})
    before = await reservations.of_groups(["default"])
    await stand.project(6)
    after = await reservations.of_groups(["default"])

    assert before == {"default": _ONE}
    assert after == {}


async def test_settled_reservations_are_forgotten_and_no_others(stand: Stand) -> None:
    reservations = await stand.process()
    settled, ahead, in_doubt = make_wish("a"), make_wish("b"), make_wish("c")
    for wish in (settled, ahead, in_doubt):
        await reservations.reserve(wish, anything)
    await reservations.confirm({settled.id: 5, ahead.id: 6})
    await stand.project(5)

    await reservations.drop_settled()

    assert await stand.sql("select count(*) from slipway_api.reservation") == 2
    assert [each.id for each in await reservations.in_doubt(older_than=timedelta(0), limit=9)] == [
        in_doubt.id
    ]


async def test_a_young_reservation_is_not_in_doubt(stand: Stand) -> None:
    reservations = await stand.process()
    await reservations.reserve(make_wish("a"), anything)

    assert await reservations.in_doubt(older_than=timedelta(minutes=5), limit=9) == []


async def test_reservations_outlive_a_rebuilt_projection(stand: Stand) -> None:
    reservations = await stand.process()
    await stand.project(5)
    await reservations.reserve(make_wish("a"), anything)

    await stand.sql("alter schema slipway rename to slipway_replaced")
    await stand.sql("create schema slipway")
    for table in ("checkpoint", "deployment"):
        await stand.sql(f"create table slipway.{table} (like slipway_replaced.{table})")
    await stand.project(5)

    assert await reservations.of_groups(["default"]) == {"default": _ONE}
