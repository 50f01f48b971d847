"""What event streams and webhooks send is a CloudEvent for the official parser, whatever the log holds."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from slipway_chassis.feed import Entry
from slipway_chassis.stored import Stored
from slipway_contracts.envelope import Envelope, new_id

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMED = Envelope(
    id=new_id(), type="command.stop.v1", source="/slipway/api", subject="default/digits", time=AT
).to_headers()


def sent(data: bytes, **headers: str | None) -> Any:
    """Return what the parser makes of a message as it is sent; a header that is None is left out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in (NAMED | changed).items() if value is not None}
    entry = Entry(Stored(subject="slipway.default.digits.x", sequence=7, time=AT, headers=kept, data=data))
    assert b"\n" not in entry.cloud_event
    assert b"\r" not in entry.cloud_event
    return from_structured_event(
        HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=entry.cloud_event)
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{not json", "{not json"),
        (b"", ""),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'"\\ud800"', '"\\ud800"'),
        (b"line\r\nline", "line\r\nline"),
    ],
)
def test_a_body_that_is_no_json_is_sent_as_a_string(body: bytes, told: str) -> None:
    event = sent(body)

    assert (event.get_data(), event.get_type()) == (told, "dev.slipway.command.stop.v1")


def test_a_body_of_several_lines_is_sent_on_one() -> None:
    assert sent(b'{\r\n "a":\n 1}').get_data() == {"a": 1}


@pytest.mark.parametrize(
    "headers",
    [
        dict.fromkeys(NAMED),
        {"ce-id": None},
        {"ce-id": ""},
        {"ce-type": ""},
        {"ce-source": ""},
        {"ce-time": "yesterday"},
        {"ce-time": None},
    ],
)
def test_a_message_without_usable_headers_is_sent_under_the_name_that_the_history_gives_it(
    headers: dict[str, str | None],
) -> None:
    event = sent(b"{}", **headers)

    assert (event.get_id(), event.get_type(), event.get_source()) == (
        "sequence-7",
        "dev.slipway.unknown",
        "unknown",
    )
    assert event.get_time() == AT


def test_a_version_of_the_standard_that_a_message_claims_is_not_repeated() -> None:
    assert sent(b"{}", **{"ce-specversion": "9.9"}).get_specversion() == "1.0"


def test_times_are_sent_as_the_standard_writes_them_whatever_the_message_does() -> None:
    entry = Entry(
        Stored(
            subject="slipway.default.digits.x",
            sequence=7,
            time=AT,
            headers=NAMED | {"ce-time": "20260101T020000+0200", "ce-id": "%zz%20"},
            data=b"{}",
        )
    )

    told = json.loads(entry.cloud_event)

    assert (told["time"], told["id"]) == ("2026-01-01T00:00:00Z", "%zz%20")
