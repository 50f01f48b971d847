"""Attributes as headers: encoded as the bindings of CloudEvents say, and read by the official parser."""

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from slipway_chassis.feed import Entry
from slipway_chassis.stored import Stored
from slipway_contracts.envelope import Envelope, Origin, attribute_of, header_of, new_id

TEXTS = [
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64)",
    '100% "quoted" %41',
    "Euro € 😀",
    "a\tb",
    "".join(map(chr, range(0x20, 0x7F))),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_encoded_as_the_official_parser_does_it_and_comes_back(text: str) -> None:
    event = CloudEvent(attributes={"type": "t", "source": "/s", "id": "1", "subject": text}, data={})

    assert header_of(text) == to_binary_event(event).headers["ce-subject"]
    assert attribute_of(header_of(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_who_asked_is_told_to_the_official_parser_as_it_was_and_read_back(text: str) -> None:
    origin = Origin(user=text, address="203.0.113.9", agent=text, request="r-1")
    envelope = Envelope(
        id=new_id(),
        type="key.configured.v1",
        source="/slipway/api",
        subject=text,
        time=datetime(2026, 1, 2, tzinfo=UTC),
        origin=origin,
    )

    headers = envelope.to_headers()
    parsed = from_binary_event(HTTPMessage(headers=headers, body=b"{}"))

    assert all(value.isascii() and " " not in value for value in headers.values())
    assert (parsed.get_subject(), parsed.get_extension("useragent")) == (text, text)
    assert parsed.get_extension("authid") == text
    assert Envelope.from_headers(headers) == envelope


def test_a_structured_event_has_the_attribute_and_not_its_header() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    envelope = Envelope(
        id=new_id(), type="key.configured.v1", source="/slipway/api", subject="Ada Löve 100%", time=at
    )
    stored = Stored(
        subject="slipway._._.evt.key.x", sequence=7, time=at, headers=envelope.to_headers(), data=b"{}"
    )

    assert json.loads(Entry(stored).cloud_event)["subject"] == "Ada Löve 100%"


@pytest.mark.parametrize("written", ["a browser (50% more)", "%ff", "%", "%zz and so on"])
def test_what_was_written_before_values_were_encoded_is_read_as_it_is(written: str) -> None:
    headers = {"ce-requestid": "r-1", "ce-useragent": written}

    found = Origin.from_headers(headers)

    assert found is not None
    assert found.agent == written
