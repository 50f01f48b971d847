"""Messages of the log that this release cannot read."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from slipway_chassis.stored import Stored
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError, new_id
from slipway_contracts.installation_events import TargetFound

AT = datetime(2026, 1, 1, tzinfo=UTC)


def make_stored(kind: str, body: object, *, headers: Mapping[str, str] | None = None) -> Stored:
    envelope = Envelope(id=new_id(), type=kind, source="/test", subject="local", time=AT)
    return Stored(
        subject="slipway._._.evt.target.found",
        sequence=7,
        time=AT,
        headers=envelope.to_headers() if headers is None else headers,
        data=json.dumps(body).encode(),
    )


def test_what_is_readable_is_the_message() -> None:
    found = TargetFound(target="local")

    assert make_stored(found.type, found.model_dump()).readable == found


def test_what_is_not_is_none_and_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    newer = [make_stored("target.found.v9", {"type": "target.found.v9", "read": "twice"}) for _ in range(2)]

    assert [each.readable for each in newer] == [None, None]
    with pytest.raises(UnknownMessageError):
        assert newer[0].message

    told = capsys.readouterr()
    lines = (told.out + told.err).splitlines()
    assert sum("target.found.v9" in line and "7" in line for line in lines) == 1


def test_what_has_no_envelope_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    bare = make_stored("target.found.v1", {}, headers={"ce-id": "without the rest"})

    assert bare.readable is None
    with pytest.raises(MalformedEnvelopeError):
        assert bare.envelope
    assert "without the rest" not in capsys.readouterr().out
