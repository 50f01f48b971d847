"""The audit: what somebody asked for and what was refused, by owner, user, time and outcome."""

from typing import Any

from slipway_contracts.envelope import Origin
from slipway_store.audit_reads import AuditWish
from slipway_store.queries import Reads
from slipway_store.records import EVENT
from slipway_store.rows import EventRow
from store_world import AT, SECOND, World

ADA = Origin(user="ada", address="192.0.2.7", agent="curl/8", request="r1")
NOBODY = Origin(request="r2")
REFUSED = {
    "type": "request.refused.v1",
    "group": "g",
    "deployment": "digits",
    "method": "POST",
    "route": "/v1/x",
    "status": 403,
    "reason": "RoleMissing",
}


def make_event(sequence: int, type_name: str = "command.stop.v1", **overrides: Any) -> EventRow:
    values: dict[str, Any] = {
        "sequence": sequence,
        "id": f"e{sequence}",
        "type": type_name,
        "subject": "slipway.g.digits.cmd.deployer.stop",
        "group": "g",
        "deployment": "digits",
        "source": "/slipway/api",
        "time": AT + sequence * SECOND,
        "origin": ADA,
        "body": {"type": type_name, "by": "ada", "alias": "staging", "request": {"alias": "live"}},
    }
    return EventRow(**values | overrides)


async def fill(world: World) -> None:
    key = {"key": "k", "digest": "sha256:0", "user": "bob", "revoked": True, "grants": [{"group": "*"}]}
    await world.write(
        EVENT,
        make_event(1),
        make_event(2, "release.live.v1", origin=None),
        make_event(3, "request.refused.v1", deployment=None, origin=NOBODY, body=REFUSED),
        make_event(4, "key.configured.v1", group=None, deployment=None, body=key),
        make_event(5, group="h"),
        make_event(6, "artifact.hidden.v1", deployment=None, body={"digest": "sha256:1", "hidden": True}),
        make_event(7, "request.refused.v1", body="of a release that wrote something else"),
    )


async def found(reads: Reads, behind: int | None = None, limit: int = 99, **wish: Any) -> list[int]:
    return [row.sequence for row in await reads.audit(AuditWish(**wish), behind=behind, limit=limit)]


async def test_the_audit_has_what_somebody_asked_for_newest_first(world: World, reads: Reads) -> None:
    await fill(world)

    assert await found(reads) == [7, 6, 5, 4, 3, 1]
    assert await found(reads, behind=5, limit=2) == [4, 3]
    assert await found(reads, after=4) == [7, 6, 5]


async def test_each_filter_keeps_what_it_says(world: World, reads: Reads) -> None:
    await fill(world)

    assert await found(reads, groups=["g"]) == [7, 6, 3, 1]
    assert await found(reads, groups=["g", "h"]) == [7, 6, 5, 3, 1]
    assert await found(reads, groups=[]) == []
    assert await found(reads, groups=["g"], deployment="digits") == [7, 3, 1]
    assert await found(reads, user="ada", groups=["g"]) == [7, 6, 1]
    assert await found(reads, user="eve") == []
    assert await found(reads, refused=True) == [7, 3]
    assert await found(reads, refused=False) == [6, 5, 4, 1]
    assert await found(reads, since=AT + 3 * SECOND, until=AT + 5 * SECOND) == [4, 3]


async def test_a_row_has_names_and_flags_but_no_body(world: World, reads: Reads) -> None:
    await fill(world)

    rows = {row.sequence: row for row in await reads.audit(AuditWish(), limit=99)}

    assert rows[1].origin == ADA
    assert rows[1].details == {"alias": "staging"}
    assert rows[4].details == {"key": "k", "user": "bob", "revoked": True}
    assert rows[6].details == {"digest": "sha256:1", "hidden": True}
    assert rows[3].details is None
    assert rows[3].refused is not None
    assert (rows[3].refused.reason, rows[3].refused.count) == ("RoleMissing", 1)
    assert rows[3].origin.user is None
    assert rows[7].refused is None
