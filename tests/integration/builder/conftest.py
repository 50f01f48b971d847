"""Sources, wheels and a builder's parts for the tests of the builder."""

import asyncio
import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from integration.builder.builder_world import BuilderWorld, GatedIndex, SilentIndex, Upload
from servers import NatsServer
from slipway_builder.images.layer_cache import put_bytes
from slipway_builder.installing.dependencies import Installer
from slipway_builder.installing.host_base import host_base
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog

MakeWheel = Callable[..., tuple[str, bytes]]


@pytest.fixture(scope="session")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Installer:
    return Installer(base=host_base(), cache=tmp_path_factory.mktemp("uv-cache"))


@pytest.fixture
def blobs(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path / "blobs")


@pytest.fixture
def world(fresh_nats: NatsServer, connection: Connection, log: EventLog, tmp_path: Path) -> BuilderWorld:
    return BuilderWorld(nats=fresh_nats, connection=connection, log=log, folder=tmp_path)


@pytest.fixture
def upload(blobs: FilesystemBlobStore) -> Upload:
    """Return a function that packs files by name and stores the archive."""

    async def run(files: Mapping[str, str | bytes]) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return await put_bytes(blobs, buffer.getvalue())

    return run


@pytest.fixture
async def silent_index() -> AsyncIterator[SilentIndex]:
    asked = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def never_answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        asked.set()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield SilentIndex(f"hangs @ http://127.0.0.1:{port}/hangs-1-py3-none-any.whl", asked)
    server.close()
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def gated_index(make_wheel: MakeWheel) -> AsyncIterator[GatedIndex]:
    asked, opened = asyncio.Event(), asyncio.Event()
    name, wheel = make_wheel()
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await opened.wait()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(wheel)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + wheel)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield GatedIndex(f"tiny @ http://127.0.0.1:{port}/{name}", asked, opened)
    opened.set()
    server.close()
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
def make_wheel() -> MakeWheel:
    """Return a function that makes a wheel with one package and one console script."""

    def run(name: str = "tiny", version: str = "1.0", body: str = "VALUE = 1\n") -> tuple[str, bytes]:
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": body,
            f"{name}/tests/test_it.py": "assert True\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nG: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:print\n",
        }
        record = "".join(f"{path},sha256={_sha(text)},{len(text)}\n" for path, text in files.items())
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as wheel:
            for path, text in files.items():
                wheel.writestr(zipfile.ZipInfo(path), text)
            wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
        return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()

    return run


def _sha(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
