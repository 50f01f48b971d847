"""The server that WSGI and ASGI applications get, run as a replica runs it."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import free_port
from slipway_builder.endpoints.endpoint_server import SERVER_MODULE, SERVER_REQUIREMENTS
from slipway_builder.installing.dependencies import Installation, Installer
from slipway_builder.installing.host_base import host_base

APPLICATIONS = """
import asyncio, time

def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("model is broken")
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    start_response("200 OK", [("Content-Length", str(len(body) + 3))])
    return [b"ok:", body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"ok:"})

nested = type("Nested", (), {"app": staticmethod(wsgi)})
"""


@pytest.fixture(scope="module")
def server_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server")
    task = Installation(
        requirements=folder / "requirements.txt",
        target=folder / "target",
        place="/opt/slipway/server",
        source=folder,
        home=folder,
    )
    task.requirements.write_text("\n".join(SERVER_REQUIREMENTS))
    task.target.mkdir()
    asyncio.run(Installer(base=host_base(), cache=folder / "cache").install(task, line=lambda _: None))
    return task.target


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Replica:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = self.connect()
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def await_listening(self) -> None:
        deadline = time.monotonic() + 10
        while not is_open(self.port):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def start(server_packages: Path, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    (tmp_path / "app.py").write_text(APPLICATIONS)
    (tmp_path / "bad.py").write_text("raise RuntimeError('no weights here')\n")
    replicas = []

    def run(interface: str, target: str, *, listening: bool = True) -> Replica:
        port = free_port()
        path = f"{tmp_path}:{server_packages}:{SERVER_MODULE.parent}"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PORT": str(port), "HOST": "127.0.0.1"}
        process = subprocess.Popen(
            [str(host_base().interpreter), "-m", "slipway_serve", interface, target],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        replica = Replica(process, port)
        replicas.append(replica)
        if listening:
            replica.await_listening()
        return replica

    yield run
    for replica in replicas:
        replica.process.kill()
        replica.process.communicate()


@pytest.mark.parametrize(
    ("interface", "target"), [("wsgi", "app:wsgi"), ("asgi", "app:asgi"), ("wsgi", "app:nested.app")]
)
def test_an_application_answers_on_its_port(
    start: Callable[..., Replica], interface: str, target: str
) -> None:
    replica = start(interface, target)

    assert replica.get("/") == (200, b"ok:")


def test_a_body_reaches_a_wsgi_application_whole(start: Callable[..., Replica]) -> None:
    replica = start("wsgi", "app:wsgi")
    body = os.urandom(3 << 20)

    assert replica.get("/", body) == (200, b"ok:" + body)


def test_an_application_that_raises_answers_500_and_goes_on(start: Callable[..., Replica]) -> None:
    replica = start("wsgi", "app:wsgi")

    assert replica.get("/broken")[0] == 500
    assert replica.get("/")[0] == 200


@pytest.mark.parametrize(
    ("target", "word"), [("bad:app", "no weights here"), ("app:nothing", "nothing"), ("absent:app", "absent")]
)
def test_an_application_that_cannot_be_imported_ends_at_once_with_the_traceback(
    start: Callable[..., Replica], target: str, word: str
) -> None:
    replica = start("wsgi", target, listening=False)

    output, _ = replica.process.communicate(timeout=10)

    assert replica.process.returncode == 1
    assert "Traceback" in output
    assert word in output


@pytest.mark.parametrize(("interface", "target"), [("wsgi", "app:wsgi"), ("asgi", "app:asgi")])
def test_sigterm_lets_running_requests_finish(
    start: Callable[..., Replica], interface: str, target: str
) -> None:
    replica = start(interface, target)
    connection = replica.connect()
    connection.request("GET", "/slow")
    ended = threading.Event()

    def stop_when_asked() -> None:
        replica.process.send_signal(signal.SIGTERM)
        replica.process.wait(timeout=10)
        ended.set()

    threading.Timer(0.3, stop_when_asked).start()
    response = connection.getresponse()

    assert (response.status, response.read()) == (200, b"ok:")
    connection.close()
    assert ended.wait(10)


def test_a_crash_of_the_application_is_the_exit_of_the_replica(start: Callable[..., Replica]) -> None:
    replica = start("asgi", "app:asgi")

    replica.process.send_signal(signal.SIGKILL)

    assert replica.process.wait(timeout=10) == -signal.SIGKILL
    assert not is_open(replica.port)
