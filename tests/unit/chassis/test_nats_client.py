import pytest
from nats.aio.client import Client as Plain
from slipway_chassis.nats_client import Client
from slipway_contracts.envelope import Envelope, Origin, new_id, now

ENVELOPE = Envelope(
    id=new_id(),
    type="release.ready.v1",
    source="/slipway/deployer",
    subject="default/digits",
    time=now(),
    traceparent=f"00-{32 * 'a'}-{16 * 'b'}-01",
    origin=Origin(user="ada", agent="curl/8: no", request="r"),
)


@pytest.mark.parametrize(
    "block",
    [
        "".join(f"{name}: {value}\r\n" for name, value in ENVELOPE.to_headers().items()).encode(),
        b"Name:value\r\nOther:\tvalue \r\n\r\n",
        b" Begun: late\r\nEmpty:\r\nno colon\r\na name: value\r\nTwice: a\r\nTwice: b\r\n",
        "Größe: 3\r\nWord: Größe\r\n".encode(),
        b"Word: \xff\r\n",
        b"",
    ],
)
def test_headers_are_read_as_nats_py_reads_them(block: bytes) -> None:
    assert Client._parse_header_lines(block) == Plain._parse_header_lines(block)
