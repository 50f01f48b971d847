import json

import pytest
from slipway.errors import ProtocolError
from slipway.event_stream import Event, ServerSentEvent, ServerSentEvents


def make_message(*, sequence: int = 7, kind: str = "release.ready.v1", **data: object) -> bytes:
    document = {
        "specversion": "1.0",
        "type": f"dev.slipway.{kind}",
        "time": "2026-11-21T03:00:00Z",
        "data": data,
    }
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(document)}\n\n".encode()


def test_messages_arrive_whole_however_the_bytes_are_cut() -> None:
    stream = make_message(sequence=1, release=1) + b": heartbeat\n\n" + make_message(sequence=2, text="höhe")

    for size in range(1, 20):
        parser = ServerSentEvents()
        cuts = [stream[start : start + size] for start in range(0, len(stream), size)]
        found = [message for cut in cuts for message in parser.feed(cut)]

        assert [message.id for message in found] == ["1", "2"]
        assert json.loads(found[1].data)["data"] == {"text": "höhe"}


def test_an_id_counts_only_once_its_message_is_complete() -> None:
    parser = ServerSentEvents()
    message = make_message(sequence=9)

    parser.feed(message[:-1])
    before = parser.last_id
    parser.feed(b"\n")

    assert (before, parser.last_id) == ("", "9")


def test_an_id_without_data_moves_the_position_and_is_no_event() -> None:
    parser = ServerSentEvents()

    assert parser.feed(b"id: 12\n: connected\n\n") == []
    assert parser.last_id == "12"


def test_lines_of_data_are_joined_and_carriage_returns_dropped() -> None:
    parser = ServerSentEvents()

    found = parser.feed(b"id: 1\r\ndata: {\r\ndata:}\r\n\r\n")

    assert found == [ServerSentEvent(event="message", data="{\n}", id="1")]


def test_an_event_knows_its_kind_time_and_place() -> None:
    (message,) = ServerSentEvents().feed(make_message(release=3))

    event = Event.of(message)

    assert (event.sequence, event.type, event.kind) == (7, "release.ready.v1", "release.ready")
    assert event.data == {"release": 3}
    assert event.time is not None
    assert event.as_json()["sequence"] == "7"


def test_a_gap_tells_what_is_missing() -> None:
    message = ServerSentEvent(event="gap", data='{"from": 1, "to": 40, "reason": "no longer kept"}', id="40")

    event = Event.of(message)

    assert (event.sequence, event.kind, event.data["from"]) == (40, "gap", 1)


@pytest.mark.parametrize("data", ["", "nonsense", "[]", "3"])
def test_what_is_no_event_is_an_error_that_shows_it(data: str) -> None:
    with pytest.raises(ProtocolError, match="no event"):
        Event.of(ServerSentEvent(event="release.ready.v1", data=data, id="1"))
