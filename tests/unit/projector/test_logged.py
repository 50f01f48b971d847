import json
from datetime import UTC, datetime
from typing import Any

import pytest
from log_script import GROUP, START, Script
from slipway_chassis.stored import Stored
from slipway_contracts.codec import encode
from slipway_contracts.commands import Stop
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_projector.logged import read

STORED_AT = datetime(2026, 2, 2, tzinfo=UTC)


def make_stored(data: bytes | None = None, **headers: str | None) -> Stored:
    """Return a stop command at position 7, with other bytes or headers; None leaves a header out."""
    script = Script()
    script.say(Stop(**script.asker))
    outgoing = script.messages[0]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    merged = outgoing.envelope.to_headers() | named
    return Stored(
        subject=outgoing.subject,
        sequence=7,
        time=STORED_AT,
        headers={name: value for name, value in merged.items() if value is not None},
        data=encode(outgoing.message) if data is None else data,
    )


def test_a_message_becomes_a_row_and_a_typed_body() -> None:
    logged = read(make_stored(ce_causationid="c1", traceparent="t1"))

    assert isinstance(logged.message, Stop)
    assert logged.problem is None
    assert (logged.sequence, logged.group, logged.deployment) == (7, GROUP, "digits")
    assert (logged.type, logged.source) == ("command.stop.v1", "/slipway/test")
    assert (logged.causation_id, logged.correlation_id, logged.traceparent) == ("c1", None, "t1")
    assert START < logged.time < STORED_AT, "the time is the envelope's, not the server's"


@pytest.mark.parametrize(
    ("subject", "owner"),
    [
        ("slipway.default._.evt.group.configured", (GROUP, None)),
        ("slipway._._.evt.target.lost", (None, None)),
        ("slipway.default.digits.desired", (GROUP, "digits")),
    ],
)
def test_the_owner_is_read_from_the_subject(subject: str, owner: tuple[str | None, str | None]) -> None:
    stored = make_stored()

    logged = read(Stored(subject, stored.sequence, stored.time, stored.headers, stored.data))

    assert (logged.group, logged.deployment) == owner


@pytest.mark.parametrize(
    ("subject", "about", "kept"),
    [
        ("slipway.default.digits.desired", "default/digits", None),
        ("slipway.default._.evt.group.configured", "default", None),
        ("slipway.default._.evt.secret.configured", "default/token", "default/token"),
        ("slipway._._.evt.target.lost", "local", "local"),
        ("slipway._._.evt.target.lost", "", None),
    ],
)
def test_what_it_is_about_is_kept_where_its_owner_does_not_say_it(
    subject: str, about: str, kept: str | None
) -> None:
    stored = make_stored(ce_subject=about)

    logged = read(Stored(subject, stored.sequence, stored.time, stored.headers, stored.data))

    assert logged.about == kept


def test_fields_that_this_release_does_not_know_are_kept() -> None:
    body = json.loads(make_stored().data) | {"from_the_future": [1]}

    logged = read(make_stored(json.dumps(body).encode()))

    assert isinstance(logged.message, Stop)
    assert json.loads(logged.body) == body


def test_a_type_of_the_future_is_kept_as_it_is_and_not_folded() -> None:
    logged = read(make_stored(b'{"new": true}', ce_type="dev.slipway.wheel.turned.v9"))

    assert logged.message is None
    assert (logged.type, logged.body) == ("wheel.turned.v9", '{"new": true}')
    assert logged.problem is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b'"cut',
        b"\xff\xfe",
        b"{}",
        b"[1]",
        b"null",
        b'{"type": "command.start.v1"}',
        b'"\\ud800"',
        b"[" * 5000,
        b'{"a": NaN}',
        b"nul \x00 byte",
        b'{"broken": "\\u0000',
    ],
)
@pytest.mark.parametrize("kind", ["command.stop.v1", "unheard.of.v1"])
def test_no_body_is_too_broken_to_be_kept(data: bytes, kind: str) -> None:
    logged = read(make_stored(data, ce_type=f"dev.slipway.{kind}"))

    kept = json.loads(logged.body)
    assert logged.message is None
    assert logged.problem is not None
    assert "\0" not in logged.body
    if kind == "command.stop.v1":
        assert kept == data.decode(errors="replace").replace("\0", "\ufffd")


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": None},
        {"ce_type": None},
        {"ce_time": None},
        {"ce_time": "yesterday"},
        {"ce_time": "2026-01-01T00:00:00"},
    ],
)
def test_a_message_with_a_broken_envelope_is_kept_under_its_position(headers: dict[str, Any]) -> None:
    logged = read(make_stored(**headers))

    assert logged.message is None
    assert (logged.id, logged.type, logged.time) == ("sequence-7", "unknown", STORED_AT)
    assert json.loads(logged.body)["type"] == "command.stop.v1"


def test_nul_characters_of_log_lines_become_replacement_characters() -> None:
    fact = ReplicaFact(
        group=GROUP,
        deployment="digits",
        workload="0123456789abcdef",
        replica="0-1",
        endpoint="predict",
        target="local",
        state=ReplicaState.EXITED,
        transition=1,
        epoch=1,
        at=START,
        log_tail=("core\0dumped", "a literal \\u0000 stays"),
    )

    logged = read(make_stored(encode(fact), ce_type="dev.slipway.replica.v1"))

    assert isinstance(logged.message, ReplicaFact)
    assert logged.message.log_tail == ("core\ufffddumped", "a literal \\u0000 stays")
    assert json.loads(logged.body)["log_tail"] == ["core\ufffddumped", "a literal \\u0000 stays"]


def test_a_message_set_aside_holds_nothing_that_a_table_could_refuse() -> None:
    logged = read(make_stored(ce_source="x" * 5000, ce_correlationid="y" * 5000))

    aside = logged.set_aside("too large")

    assert aside.message is None
    assert aside.problem == "too large"
    assert (aside.id, aside.group, aside.correlation_id) == ("sequence-7", None, None)
    assert len(aside.source) == 200
    assert json.loads(json.loads(aside.body)) == json.loads(logged.body)
