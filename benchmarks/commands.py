"""POST deploy against the least that a route can do with the same transaction and the same publish.

The product's api process, with a log, a Postgres and the projector as the platform starts them; 400
deployments that run, and a version of each that is deployed again, in turn, by 8 connections of a client of
raw sockets. No deployer runs: what it does with a command is not part of accepting one. Its records are
written between the rounds, so that each command finds a deployment in which almost nothing is undecided, as
where a deployer keeps up. No request has an Idempotency-Key. The other side is `minimal_route`, measured in
turns with the api, and projected by the same projector. Prints one JSON line with the medians of the rounds.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from eventually import eventually
from load import Request, closed_loop, quantile
from log_script import GROUP, Script
from minimal_route import name_of
from servers import NatsServer, PostgresServer, clean_environment, die_with_parent, free_port
from slipway_api.bootstrap import bootstrap
from slipway_api.identity.access import api_key_digest, new_key
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import configure_logging
from slipway_chassis.provision import provision
from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.lifecycle import ReleaseState
from slipway_store.connections import connect
from slipway_store.migrate import upgrade

DEPLOYMENTS: Final = 400
CONNECTIONS: Final = 8
SECONDS: Final = 4.0
ROUNDS: Final = 5
HUGE: Final = 1 << 50


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    requests: Sequence[Request]

    @classmethod
    def of(cls, port: int, key: str, name: Callable[[int], str]) -> "Side":
        """Return the side that answers on a port."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        body = json.dumps({"version": "20260101.1"}).encode()
        paths = [f"/v1/groups/{GROUP}/deployments/{name(each)}/deploy" for each in range(DEPLOYMENTS)]
        return cls(
            [Request(port=port, path=path, method="POST", body=body, headers=headers) for path in paths]
        )

    async def run(self, seconds: float) -> list[float]:
        """Return the seconds that each answer took."""
        return await closed_loop(*self.requests, connections=CONNECTIONS, seconds=seconds)

    async def answers(self) -> bool:
        """Say whether it accepts a command."""
        try:
            return bool(await self.run(0.01))
        except (OSError, AssertionError):
            return False


class Fleet:
    """The deployments, and the records that a deployer would have written about them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._scripts = [Script(deployment=model(number)) for number in range(DEPLOYMENTS)]
        self._operations: dict[str, str] = {}

    async def begin(self) -> None:
        """Build and deploy all, on a target that has room for everything."""
        first = Script()
        first.say(
            TargetAnnounced(target="local", engine="supervisor", epoch=1, cpu=float(HUGE), memory_bytes=HUGE)
        )
        await first.write(self._log)
        for script in self._scripts:
            script.built()
            self._operations[script.deployment] = script.deployed()
            await script.write(self._log)
        await self.decide()

    async def decide(self) -> int:
        """Say of each that all its commands are decided; return the last sequence."""
        end = await self._log.end()
        for script in self._scripts:
            script.desired(self._operations[script.deployment], 1, ReleaseState.LIVE, position=end)
            await script.write(self._log)
        return await self._log.end()


def model(number: int) -> str:
    """Return the id of a deployment."""
    return f"model-{number:04}"


@asynccontextmanager
async def process(*command: str, **variables: str) -> AsyncIterator[None]:
    """Run a Python program for the time of the body."""
    named = {f"SLIPWAY_{name.upper()}": value for name, value in variables.items()}
    started = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=clean_environment(**named), preexec_fn=die_with_parent()
    )
    try:
        yield
    finally:
        started.terminate()
        await started.wait()


async def projected(url: str, sequence: int) -> None:
    """Wait until the tables hold this sequence."""
    connection = await connect(url)

    async def is_there() -> bool:
        return (await connection.fetchval("select sequence from checkpoint") or 0) >= sequence

    await eventually(is_there, timeout=60)
    await connection.close()


async def run(server: NatsServer, postgres: PostgresServer, folder: Path, seconds: float) -> None:
    connection = await Connection.open(url=server.url, user=None, password=None, name="bench")
    await provision(connection)
    log = EventLog(connection=connection)
    url, key = postgres.url(), new_key()
    await upgrade(url)
    await bootstrap(log, api_key_digest(key))
    fleet = Fleet(log)
    await fleet.begin()
    ports = free_port(), free_port()
    own = {"nats_url": server.url, "database_url": url, "log_level": "warning"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(process("-m", "slipway_projector.main", **own))
        blobs = {"blob_root": str(folder / "blobs"), "port": str(ports[0])}
        await stack.enter_async_context(process("-m", "slipway_api.main", **own, **blobs))
        route = str(Path(__file__).with_name("minimal_route.py"))
        await stack.enter_async_context(process(route, str(ports[1]), server.url, url, str(DEPLOYMENTS)))
        sides = {"api": Side.of(ports[0], key, model), "minimal": Side.of(ports[1], key, name_of)}
        await projected(url, await log.end())
        for side in sides.values():
            await eventually(side.answers, timeout=60)
            await side.run(1.0)
        rounds: dict[str, list[list[float]]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, side in sides.items():
                await projected(url, await fleet.decide())
                rounds[name].append(await side.run(seconds))
    await connection.close()
    rates = {name: statistics.median(len(each) / seconds for each in of) for name, of in rounds.items()}
    figures = {
        "bench": "commands",
        "connections": CONNECTIONS,
        "rps": round(rates["api"], 1),
        "ceiling_rps": round(rates["minimal"], 1),
        "ratio": round(rates["api"] / rates["minimal"], 2),
        "p50_ms": _median_ms(rounds["api"], 0.5),
        "p99_ms": _median_ms(rounds["api"], 0.99),
        "ceiling_p99_ms": _median_ms(rounds["minimal"], 0.99),
    }
    print(json.dumps(figures))


def _median_ms(rounds: Sequence[Sequence[float]], part: float) -> float:
    return round(statistics.median(quantile(each, part) for each in rounds) * 1e3, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each of the rounds")
    options = parser.parse_args()
    configure_logging(service="bench", instance="commands", level="warning")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-commands-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = NatsServer(folder / "nats")
        postgres = PostgresServer(folder)
        postgres.create()
        server.start()
        postgres.start()
        try:
            uvloop.run(run(server, postgres, folder, options.seconds))
        finally:
            postgres.stop()
            server.stop()


if __name__ == "__main__":
    main()
