"""Pages of lists, searches and histories with 100 and with 1,000,000 deployments in Postgres.

Prints one JSON line per page: the medians of its time in both, read with the product's own `Reads`, and their
ratio. `--large N` takes another number for a try.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lists_filling import SMALL, Filling, fill
from servers import PostgresServer
from slipway_contracts.lifecycle import DeploymentState
from slipway_store.connections import connect
from slipway_store.listing import Sort, after
from slipway_store.migrate import upgrade
from slipway_store.queries import Reads, open_reads

LARGE: Final = 1_000_000
LIMIT: Final = 20
WARM_UP: Final = 15
ROUNDS: Final = 200

Page = Callable[[], Awaitable[Sequence[object]]]


@dataclass(frozen=True)
class Installation:
    """A filled database, and the reads of it."""

    filling: Filling
    reads: Reads

    async def pages(self) -> Mapping[str, Page]:
        """Return what is measured: every page is full in a small installation too, but for one-row finds."""
        filling, reads = self.filling, self.reads

        def listed(**wanted: object) -> Page:
            return lambda: reads.deployments(**{"groups": None, "limit": LIMIT} | wanted)  # type: ignore[arg-type]

        async def deep(sort: Sort) -> Page:
            """Return the page behind the one in the middle of the list."""
            (middle,) = await reads.deployments(
                groups=[filling.group(filling.groups // 2)], sort=sort, limit=1
            )
            return listed(sort=sort, after=after(middle, sort))

        return {
            "first": listed(),
            "deep": await deep(Sort.ID),
            "group": listed(groups=[filling.group(1)]),
            "state": listed(states=[DeploymentState.STOPPED]),
            "target": listed(target="farm"),
            "version": listed(version=filling.label),
            "metadata": listed(metadata={"team": filling.team(0)}),
            "metadata-frequent": listed(metadata={"tier": "prod"}),
            "search-one": listed(search=filling.unique),
            "search-frequent": listed(search=filling.frequent),
            "search-two-words": listed(search=f"{filling.frequent} {filling.unique}"),
            "search-by-changed": listed(search=filling.frequent, sort=Sort.CHANGED, descending=True),
            "created": listed(sort=Sort.CREATED, descending=True),
            "changed": listed(sort=Sort.CHANGED, descending=True),
            "changed-deep": await deep(Sort.CHANGED),
            "mine": listed(created_by=filling.user(0)),
            "group-by-changed": listed(groups=[filling.group(1)], sort=Sort.CHANGED, descending=True),
            "history": lambda: reads.releases(*filling.with_history, limit=LIMIT),
            "history-deep": lambda: reads.releases(*filling.with_history, before=50, limit=LIMIT),
        }


async def installation(server: PostgresServer, deployments: int) -> Installation:
    """Make a database with this many deployments."""
    admin = await connect(server.url())
    name = f"with_{deployments}"
    await admin.execute(f"create database {name}")
    await admin.close()
    await upgrade(server.url(name))
    began = time.monotonic()
    connection = await connect(server.url(name), statement_seconds=1_200)
    try:
        filling = await fill(connection, deployments)
        size = await connection.fetchval("select pg_database_size(current_database())")
    finally:
        await connection.close()
    seconds = time.monotonic() - began
    sys.stderr.write(f"{deployments} deployments filled in {seconds:.0f} s, {size / 1e9:.2f} GB\n")
    return Installation(filling, await open_reads(server.url(name), most_connections=1))


async def measure(small: Page, large: Page) -> tuple[float, float]:
    """Return the medians of both in seconds, taken in turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARM_UP + ROUNDS):
        for page, times in zip((small, large), taken, strict=True):
            began = time.perf_counter()
            await page()
            if turn >= WARM_UP:
                times.append(time.perf_counter() - began)
    return statistics.median(taken[0]), statistics.median(taken[1])


async def run(server: PostgresServer, deployments: int) -> None:
    small = await installation(server, SMALL)
    large = await installation(server, deployments)
    of_large = await large.pages()
    for name, page in (await small.pages()).items():
        rows = len(await page()), len(await of_large[name]())
        assert rows[0], f"page {name} is empty"
        seconds = await measure(page, of_large[name])
        figures = {
            "bench": "lists",
            "page": name,
            "deployments": deployments,
            "rows": rows,
            "small_p50_ms": round(seconds[0] * 1e3, 3),
            "large_p50_ms": round(seconds[1] * 1e3, 3),
            "ratio": round(seconds[1] / seconds[0], 2),
        }
        print(json.dumps(figures), flush=True)
    await small.reads.close()
    await large.reads.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=LARGE, help="deployments of the large installation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-lists-") as name:
        Path(name).chmod(0o755)
        server = PostgresServer(Path(name))
        server.create()
        server.start()
        try:
            asyncio.run(run(server, options.large))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
