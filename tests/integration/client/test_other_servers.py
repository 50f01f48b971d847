"""What a user hears who names the address of another server of the platform."""

from collections.abc import AsyncIterator

import pytest
from servers import NatsServer
from slipway import Slipway
from slipway.errors import ProtocolError

COMPLAINT = "does not speak HTTP; is that the API's address\\?"


@pytest.fixture
async def misled(nats_server: NatsServer) -> AsyncIterator[Slipway]:
    url = nats_server.url.replace("nats://", "http://")
    async with Slipway(url, "slw_x", patience=0.0, stream_patience=0.0) as slipway:
        yield slipway


async def test_a_request_to_what_speaks_no_http_says_so_and_names_the_url(misled: Slipway) -> None:
    with pytest.raises(ProtocolError, match=COMPLAINT) as refused:
        await misled.operation("some")

    assert refused.value.hint == "Look whether --url names the API."


async def test_a_stream_of_events_from_what_speaks_no_http_says_so(misled: Slipway) -> None:
    with pytest.raises(ProtocolError, match=COMPLAINT):
        async for _ in misled.events():
            pass


async def test_a_stream_of_log_lines_from_what_speaks_no_http_says_so(misled: Slipway) -> None:
    with pytest.raises(ProtocolError, match=COMPLAINT):
        async for _ in misled.logs("digits").read(follow=True):
            pass
