"""One POST: bounded in time and size, whatever the other side does; TLS is checked."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from slipway_notifier.addresses import Resolve
from slipway_notifier.outcome import DeliveryError
from slipway_notifier.sender import Sender

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve_and_close, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def sender(timeout: float = 1.0, trust: ssl.SSLContext | None = None) -> Sender:
    return Sender(timeout=timedelta(seconds=timeout), private_addresses=True, trust=trust)


def answering(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return serve


async def test_the_path_and_query_of_the_url_and_the_whole_body_arrive() -> None:
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        came.append(await reader.readexactly(1 << 20))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with server(serve) as port:
        answer = await sender().post(f"http://127.0.0.1:{port}/a/b?c=d", {"x-y": "z"}, b"x" * (1 << 20))

    head = came[0].decode().split("\r\n")
    assert answer.status == 204
    assert head[0] == "POST /a/b?c=d HTTP/1.1"
    assert {f"Host: 127.0.0.1:{port}", "x-y: z", f"Content-Length: {1 << 20}"} <= set(head)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "unreachable"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * (1 << 20), "unreachable"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, "unreachable"),
    ],
)
async def test_what_is_no_bounded_http_is_a_failure(answer: bytes, kind: str) -> None:
    async with server(answering(answer)) as port:
        with pytest.raises(DeliveryError) as failed:
            await sender(10).post(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert failed.value.kind == kind


async def test_a_receiver_that_is_silent_or_trickles_its_answer_is_left_after_the_timeout() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 200 OK\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(trickle) as port:
        with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
            await sender(0.3).post(f"http://127.0.0.1:{port}/", {}, b"{}")


async def test_an_endless_body_of_an_answer_is_not_waited_for() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    async with server(endless) as port, asyncio.timeout(10):
        answer = await sender(20).post(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert answer.status == 200


async def test_the_status_decides_although_the_answer_stops_behind_its_head() -> None:
    async def stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with server(stop) as port:
        answer = await sender(0.5).post(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert answer.status == 200


async def test_nobody_there_is_a_failure_by_the_receivers_own_fault() -> None:
    async with server(answering(b"")) as port:
        pass

    with pytest.raises(DeliveryError, match="it cannot be reached: Connection refused") as failed:
        await sender().post(f"http://127.0.0.1:{port}/", {}, b"{}")

    assert (failed.value.kind, failed.value.fault) == ("unreachable", "receiver")


def no_name(_host: str, _port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def no_route(_host: str, _port: int) -> list[str]:
    return ["2001:db8::1"]


@pytest.mark.parametrize("resolving", [no_name, no_route])
async def test_a_host_that_is_not_there_is_to_blame_only_where_others_are_reached(resolving: Resolve) -> None:
    tries = Sender(timeout=timedelta(seconds=0.5), private_addresses=True, resolving=resolving)

    async def fault() -> str:
        with pytest.raises(DeliveryError) as failed:
            await tries.post("http://down.example/", {}, b"{}")
        return failed.value.fault

    assert await fault() == "unclear"
    for address in ("8.8.8.8", "10.1.2.3"):
        tries._reach.note(address, address)
    assert await fault() == "receiver"


async def test_a_proxy_of_the_environment_is_not_used_and_so_the_check_of_addresses_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with server(proxy) as port:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        strict = Sender(timeout=timedelta(seconds=1), private_addresses=False)
        with pytest.raises(DeliveryError) as failed:
            await strict.post("http://169.254.169.254/latest", {}, b"{}")

    assert failed.value.kind == "forbidden"
    assert not asked


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `localhost`, and its key, in one folder."""
    folder = tmp_path_factory.mktemp("certificate")
    made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost"]
    made += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(made, check=True, capture_output=True)
    return folder


async def test_a_certificate_must_be_trusted_and_of_the_host(certificate: Path) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    trust = ssl.create_default_context(cafile=str(certificate / "certificate.pem"))
    good = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with server(good, tls=own) as port:
        answer = await sender(5, trust).post(f"https://localhost:{port}/", {}, b"{}")
        with pytest.raises(DeliveryError, match="certificate"):
            await sender(5).post(f"https://localhost:{port}/", {}, b"{}")
        with pytest.raises(DeliveryError, match=r"certificate|IP address"):
            await sender(5, trust).post(f"https://127.0.0.1:{port}/", {}, b"{}")

    assert answer.status == 200


def this_machine(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("resolving", "private", "there"),
    [
        (no_name, True, False),
        (this_machine, False, False),
        (this_machine, True, False),
        (this_machine, True, True),
    ],
)
async def test_what_went_wrong_is_told_without_host_address_or_path(
    certificate: Path, scheme: str, resolving: Resolve, *, private: bool, there: bool
) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    trust = ssl.create_default_context(cafile=str(certificate / "certificate.pem"))
    tries = Sender(timeout=timedelta(seconds=5), private_addresses=private, trust=trust, resolving=resolving)

    async with server(answering(b"127.0.0.1 tells"), tls=own if scheme == "https" else None) as port:
        target = port
    async with server(answering(b"127.0.0.1 tells"), tls=own if scheme == "https" else None) as port:
        target = port if there else target
        with pytest.raises(DeliveryError) as failed:
            await tries.post(f"{scheme}://token-7f3a.example:{target}/secret", {}, b"{}")

    told = str(failed.value)
    assert told
    assert not [part for part in ("7f3a", "127.0.0.1", str(target), "/secret", "tells") if part in told]
