from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import pytest
from slipway_contracts.lifecycle import DeploymentState
from slipway_contracts.quota import Charge
from slipway_store.listing import Sort, after
from slipway_store.queries import Reads
from slipway_store.records import DEPLOYMENT, METADATA
from slipway_store.rows import DeploymentRow, DeploymentStatus, MetadataRow
from slipway_store.words import pair_of, words_of
from store_world import AT, SECOND, World, make_deployment


async def write(world: World, *rows: DeploymentRow) -> None:
    """Write deployments with what the projector derives for lists."""
    for row in rows:
        words = words_of(row.id, row.name, row.description)
        await world.write(DEPLOYMENT, row.model_copy(update={"words": words}))
        pairs = [
            MetadataRow(group=row.group, deployment=row.id, key=key, pair=pair_of(key, value), sequence=1)
            for key, value in row.metadata.items()
        ]
        await world.write(METADATA, *pairs)
    await world.connection.execute("analyze deployment, deployment_metadata")


async def ids(reads: Reads, **wanted: Any) -> list[str]:
    return [row.id for row in await reads.deployments(**{"groups": None, "limit": 50} | wanted)]


async def pages(reads: Reads, sort: Sort, **wanted: Any) -> list[DeploymentStatus]:
    """Read a whole list by pages of two."""
    found: list[DeploymentStatus] = []
    while True:
        behind = after(found[-1], sort) if found else None
        page = await reads.deployments(**{"groups": None} | wanted, sort=sort, after=behind, limit=2)
        found += page
        if len(page) < 2:
            return found


def sorted_by(rows: Sequence[DeploymentStatus], sort: Sort) -> bool:
    return all(after(one, sort) < after(other, sort) for one, other in pairwise(rows))


@pytest.mark.parametrize("wanted", [{}, {"metadata": {"team": "blue"}}, {"search": "mod"}, {"search": "7"}])
async def test_pages_of_every_order_join_without_gap(
    world: World, reads: Reads, wanted: dict[str, Any]
) -> None:
    rows = [
        make_deployment(
            f"{name}-{number}",
            group=group,
            description=f"model {number}",
            metadata={"team": "blue"},
            created_at=AT + (number % 3) * SECOND,
            changed_at=AT - (number % 4) * SECOND,
        )
        for group in ("a", "b")
        for number, name in enumerate(("x", "z", "y", "v", "w", "u", "t", "s"))
    ]
    await write(world, *rows)

    for sort, descending, groups in product(Sort, (False, True), (None, ["a"], ["a", "b"])):
        found = await pages(reads, sort, groups=groups, descending=descending, **wanted)

        expected = {(row.group, row.id) for row in rows if row.group in (groups or ("a", "b"))}
        if wanted.get("search") == "7":
            expected = {key for key in expected if key[1].endswith("7")}
        assert {(row.group, row.id) for row in found} == expected
        assert len(found) == len(expected)
        assert sorted_by(found[::-1] if descending else found, sort)


async def test_a_deployment_is_found_by_the_beginnings_of_its_words(world: World, reads: Reads) -> None:
    await write(
        world,
        make_deployment("digits-v2", description="Reads handwritten Digits"),
        make_deployment("words", name="letters", description="It's 100% of the_alphabet"),
    )

    assert await ids(reads, search="dig") == ["digits-v2"]
    assert await ids(reads, search="HAND reads") == ["digits-v2"]
    assert await ids(reads, search="hand alpha") == [], "every word counts"
    assert await ids(reads, search="git") == [], "a word is found by its beginning only"
    assert await ids(reads, search="lett alpha 100") == ["words"]
    assert await ids(reads, search="v2") == ["digits-v2"]
    assert await ids(reads, search=" -'- ") == ["digits-v2", "words"], "nothing is asked for"
    assert await ids(reads, search="x' | 'd':*") == []


async def test_metadata_is_found_by_any_number_of_pairs(world: World, reads: Reads) -> None:
    await write(
        world,
        make_deployment("a", metadata={"team": "blue", "tier": "prod"}),
        make_deployment("b", metadata={"team": "blue", "tier": "dev"}),
        make_deployment("c", metadata={"team": "blue", "tier": "dev"}, state=DeploymentState.DELETED),
        make_deployment("d", metadata={"a=b": "c", "long": "x" * 9_000}),
    )

    assert await ids(reads, metadata={"team": "blue"}) == ["a", "b"]
    assert await ids(reads, metadata={"team": "blue", "tier": "dev"}) == ["b"]
    assert await ids(reads, metadata={"team": "blu"}) == []
    assert await ids(reads, metadata={"a": "b=c"}) == [], "the pair is another one"
    assert await ids(reads, metadata={"a=b": "c"}) == ["d"]
    assert await ids(reads, metadata={"long": "x" * 9_000}) == ["d"]
    assert await ids(reads, metadata={"long": "x" * 8_999}) == []


async def test_filters_are_joined_by_and(world: World, reads: Reads) -> None:
    await write(
        world,
        make_deployment("a", target="farm", version_label="v1", created_by="bob", metadata={"t": "x"}),
        make_deployment("b", target="farm", version_label="v2", metadata={"t": "x"}),
        make_deployment("c", state=DeploymentState.STOPPED, description="a farm", metadata={"t": "x"}),
    )

    assert await ids(reads, target="farm") == ["a", "b"]
    assert await ids(reads, version="v2", target="farm") == ["b"]
    assert await ids(reads, created_by="bob", metadata={"t": "x"}) == ["a"]
    assert await ids(reads, states=[DeploymentState.STOPPED], search="farm", metadata={"t": "x"}) == ["c"]
    states = [DeploymentState.STOPPED, DeploymentState.DEPLOYED]
    assert await ids(reads, states=states, descending=True) == ["c", "b", "a"]
    assert await ids(reads, search="farm", created_by="bob") == []


async def test_what_is_deleted_or_purged_is_listed_only_when_it_is_asked_for(
    world: World, reads: Reads
) -> None:
    await write(
        world,
        make_deployment("kept"),
        make_deployment("deleted", state=DeploymentState.DELETED),
        make_deployment("purged", state=DeploymentState.PURGED),
    )

    for sort in Sort:
        assert await ids(reads, sort=sort) == ["kept"]
    assert await ids(reads, search="deleted") == []
    assert await ids(reads, states=[DeploymentState.DELETED]) == ["deleted"]
    both = [DeploymentState.PURGED, DeploymentState.DEPLOYED]
    assert await ids(reads, states=both) == ["kept", "purged"]


async def test_what_a_deployment_holds_is_told(world: World, reads: Reads) -> None:
    charged: dict[str, Any] = {
        "charge_deployments": 1,
        "charge_replicas": 2,
        "charge_cpu": 0.5,
        "charge_memory_bytes": 1 << 40,
    }
    await write(world, make_deployment("a", group="a", **charged))

    status = await reads.deployment("a", "a")

    assert status is not None
    assert status.charge == Charge(deployments=1, replicas=2, cpu=0.5, memory_bytes=1 << 40)
