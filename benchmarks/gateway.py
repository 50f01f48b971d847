"""What the gateway costs a request: the replica directly, through it, and through a bare Envoy, in turns.

The bare Envoy is the least configuration that forwards to the same replica, with as many workers. The gateway
has twenty more deployments. Of each kind of turn the median counts.
"""

import asyncio
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from load import Request, closed_loop, quantile
from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError
from slipway_gateway.bootstrap import prepare
from slipway_gateway.configuration import Configuration
from slipway_gateway.files import GatewayFolder
from slipway_gateway.known import Known
from slipway_gateway.writer import ConfigurationWriter

ROUNDS: Final = 7
BUSY_SECONDS: Final = 2.0
ALONE_SECONDS: Final = 1.0
CONNECTIONS: Final = 32
WORKERS: Final = "1"
OTHERS: Final = 20
TICKS_PER_SECOND: Final = 100
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n"


class Replica(asyncio.Protocol):
    """Answers each request that has no body, with as little work as possible."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._rest = b""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer; the end of a request may come in two pieces."""
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(ANSWER * len(requests))


async def serve_replica(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Replica, "127.0.0.1", port)
    await server.serve_forever()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_listening(port: int) -> None:
    """Wait until connections are taken."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return writer.close()


@contextmanager
def process(*command: str) -> Iterator[int]:
    """Run a process for a while and return its id."""
    running = subprocess.Popen(command)
    try:
        yield running.pid
    finally:
        running.kill()
        running.wait()


def envoy(bootstrap: Path) -> tuple[str, ...]:
    """Return the command of an Envoy."""
    spec = find_spec("envoy")
    assert spec is not None
    assert spec.submodule_search_locations
    binary = Path(spec.submodule_search_locations[0]) / "_bin" / "envoy"
    options = ("--concurrency", WORKERS, "--disable-hot-restart", "--log-level", "error")
    return (str(binary), "-c", str(bootstrap), *options)


def bare_bootstrap(file: Path, *, port: int, replica: int) -> Path:
    """Write the least static configuration that forwards everything to the replica."""
    kinds = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{kinds}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "replica"}}
    manager = {
        "@type": f"{kinds}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    endpoint = {"endpoint": {"address": _address(replica)}}
    cluster = {
        "name": "replica",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "replica", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    filters = [{"name": "http", "typed_config": manager}]
    listener = {"name": "bare", "address": _address(port), "filter_chains": [{"filters": filters}]}
    file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    return file


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def known(replica: int) -> Known:
    """Return what the gateway would know of this replica's deployment, and of others."""
    names = ["bench", *(f"other-{number}" for number in range(OTHERS))]
    ids = {name: f"{number:016x}" for number, name in enumerate(names)}
    limits = {"timeout_seconds": 300, "max_body_bytes": None, "idempotent": False}
    deployments = [
        {
            "group": "default",
            "deployment": name,
            "wanted": "running",
            "name": name,
            "aliases": [{"alias": "live", "shares": [{"release": 1, "weight": 100}]}],
            "labels": {"20260101.1": 1},
            "releases": [{"number": 1, "endpoints": [{"name": "predict", "workload": workload, **limits}]}],
            "workloads": [{"id": workload, "serving": ["0-1"], "leaving": []}],
        }
        for name, workload in ids.items()
    ]
    ready = {f"default/{name}/{workload}/0-1": f"127.0.0.1:{replica}" for name, workload in ids.items()}
    return Known.load(json.dumps({"format": 2, "deployments": deployments, "ready": ready}).encode())


async def configure(folder: Path, replica: int) -> None:
    """Bring the gateway's Envoy to what is known, as the service does."""
    admin = EnvoyAdmin(address=str(folder / "admin.sock"))
    writer = ConfigurationWriter(folder=GatewayFolder(folder), admin=admin)
    writer.load()
    target = Configuration(known(replica)).target()
    while True:
        try:
            await writer.apply(target)
        except EnvoyDownError:
            await asyncio.sleep(0.05)
        else:
            return admin.close()


@dataclass
class Way:
    """One way to the replica, and what was measured on it."""

    request: Request
    pid: int | None = None
    rates: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    async def take_turn(self) -> None:
        """Measure once with many connections and once with one."""
        before, began = self._cpu_seconds(), time.perf_counter()
        answers = await busy(self.request)
        self.rates.append(answers / (time.perf_counter() - began))
        if answers:
            self.cpu_us.append(1e6 * (self._cpu_seconds() - before) / answers)
        alone = await closed_loop(self.request, connections=1, seconds=ALONE_SECONDS)
        self.alone_ms.append(1000 * quantile(alone, 0.5))

    def _cpu_seconds(self) -> float:
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


async def busy(request: Request) -> int:
    """Return how many answers came while many connections were kept busy."""
    if (wrk := shutil.which("wrk")) is None:
        return len(await closed_loop(request, connections=CONNECTIONS, seconds=BUSY_SECONDS))
    url = f"http://{request.host}:{request.port}{request.path}"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{BUSY_SECONDS:g}s", url]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await running.communicate())[0].decode()
    assert "Non-2xx" not in output, output
    found = re.search(r"(\d+) requests in", output)
    assert found is not None, output
    return int(found[1])


def pss_mb(pid: int) -> float:
    """Return the memory of a process, its part of shared pages only."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


async def measure(folder: Path) -> Mapping[str, float | str]:
    """Run all turns and return the result."""
    replica, bare, through = (free_port() for _ in range(3))
    with ExitStack() as stack:
        stack.enter_context(process(sys.executable, __file__, "replica", str(replica)))
        bare_file = bare_bootstrap(folder / "bare.json", port=bare, replica=replica)
        bare_pid = stack.enter_context(process(*envoy(bare_file)))
        gateway_pid = stack.enter_context(process(*envoy(prepare(folder / "gateway", port=through))))
        await configure(folder / "gateway", replica)
        for port in (replica, bare, through):
            await until_listening(port)
        ways = {
            "direct": Way(Request(port=replica)),
            "gateway": Way(Request(port=through, path="/default/bench/predict"), pid=gateway_pid),
            "bare_envoy": Way(Request(port=bare), pid=bare_pid),
        }
        for number in range(ROUNDS):
            turns = list(ways.values())
            for way in turns if number % 2 else reversed(turns):
                await way.take_turn()
        memory = pss_mb(gateway_pid)
    return result(ways) | {"gateway_envoy_pss_mb": round(memory, 1)}


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median ratio of turns that follow each other, as they share the machine's mood."""
    return round(statistics.median(one / other for one, other in zip(ours, theirs, strict=True)), 3)


def result(ways: Mapping[str, Way]) -> dict[str, float | str]:
    """Return the medians and what follows from them."""
    rps = {name: statistics.median(way.rates) for name, way in ways.items()}
    alone = {name: statistics.median(way.alone_ms) for name, way in ways.items()}
    cpu = {name: statistics.median(way.cpu_us) for name, way in ways.items()}
    return {
        "direct_rps": round(rps["direct"]),
        "gateway_rps": round(rps["gateway"]),
        "bare_envoy_rps": round(rps["bare_envoy"]),
        "gateway_of_bare": paired_ratio(ways["gateway"].rates, ways["bare_envoy"].rates),
        "cpu_of_bare": paired_ratio(ways["gateway"].cpu_us, ways["bare_envoy"].cpu_us),
        "added_p50_ms": round(alone["gateway"] - alone["direct"], 3),
        "bare_added_p50_ms": round(alone["bare_envoy"] - alone["direct"], 3),
        "gateway_cpu_us": round(cpu["gateway"], 1),
        "bare_envoy_cpu_us": round(cpu["bare_envoy"], 1),
        "load": "wrk" if shutil.which("wrk") else "asyncio",
    }


def main() -> None:
    """Print one JSON line."""
    if sys.argv[1:2] == ["replica"]:
        return uvloop.run(serve_replica(int(sys.argv[2])))
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        print(json.dumps({"benchmark": "gateway", **uvloop.run(measure(Path(folder)))}))
    return None


if __name__ == "__main__":
    main()
