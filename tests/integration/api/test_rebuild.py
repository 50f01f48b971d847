"""Tables made anew and swapped in while the api answers, commands come and the projector writes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from api_world import Api, running_api
from log_walk import Walk
from memory_projection import project, read_log
from projector_stand import Stand
from servers import NatsServer, clean_environment
from slipway_chassis.connection import Connection

DEPLOYMENTS = ("digits", "words", "faces")
LISTS = ("/v1/deployments", "/v1/events", "/v1/operations", "/v1/targets", "/v1/groups/default")


async def rebuild(nats: NatsServer, url: str, *arguments: str) -> tuple[int, str]:
    """Run the command as an operator does; return its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "slipway_projector.rebuild_command",
        *arguments,
        env=clean_environment(SLIPWAY_NATS_URL=nats.url, SLIPWAY_DATABASE_URL=url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


class Traffic:
    """Reads and writes without a pause, and what went wrong with them."""

    def __init__(self, api: Api, seed: int) -> None:
        self._api = api
        self._walk = Walk(seed)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.reads = 0
        self.wrong: list[str] = []

    async def begin(self) -> None:
        self._walk.base = await self._api.platform.log.end()
        self._walk.run(100)
        await self._walk.write(self._api.platform.log)
        beings = (self._publish(), self._command(), self._watch(), self._list())
        self._tasks = [asyncio.create_task(being) for being in beings]

    async def end(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _publish(self) -> None:
        """Say what services say."""
        while not self._stop.is_set():
            self._walk.run(10)
            await self._read("/v1/deployments", at_least=await self._walk.write(self._api.platform.log))

    async def _command(self) -> None:
        """Configure a group, and read that this was written."""
        for number in count():
            if self._stop.is_set():
                return
            answer = await self._api.http.put("/v1/groups/own", json={"description": f"number {number}"})
            self._expect("PUT", answer.status_code)
            stored = await self._api.platform.log.last("slipway.own.>")
            sequence = stored.sequence if stored else 0
            found = await self._read("/v1/events", **{"from": sequence - 1, "at_least": sequence})
            if [int(each["sequence"]) for each in found["items"]][:1] != [sequence]:
                self.wrong.append(f"no event {sequence}: {found}")

    async def _watch(self) -> None:
        """Read deployments, none of which must ever become older; a purged one is not there."""
        last = dict.fromkeys(DEPLOYMENTS, "")
        for deployment in cycle(DEPLOYMENTS):
            if self._stop.is_set():
                return
            answer = await self._api.http.get(f"/v1/groups/default/deployments/{deployment}")
            if answer.status_code == 404:
                continue
            self._expect(deployment, answer.status_code)
            changed = answer.json().get("changed_at", "")
            if changed < last[deployment]:
                self.wrong.append(f"{deployment} of {changed} after that of {last[deployment]}")
            last[deployment] = changed

    async def _list(self) -> None:
        for path in cycle(LISTS):
            if self._stop.is_set():
                return
            await self._read(path)

    async def _read(self, path: str, **query: Any) -> Any:
        answer = await self._api.http.get(path, params=query)
        self._expect(f"{path} {query}", answer.status_code)
        return answer.json()

    def _expect(self, what: str, status: int) -> None:
        self.reads += 1
        if status != 200:
            self.wrong.append(f"{what}: {status}")


@pytest.mark.timeout(240)
async def test_no_read_fails_or_grows_older_and_nothing_is_lost_while_tables_are_swapped(
    fresh_nats: NatsServer,
    connection: Connection,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    url = await make_database()
    patient: dict[str, Any] = {"projection_timeout": timedelta(seconds=30)}
    async with running_api(connection=connection, database_url=url, folder=tmp_path, **patient) as api:
        stand = Stand(api.platform.log, url)
        traffic = Traffic(api, seed=51)
        await traffic.begin()

        ends = [await rebuild(fresh_nats, url, "--swap") for _ in range(2)]
        verified = await rebuild(fresh_nats, url, "--verify")
        swap, other = await asyncio.gather(
            rebuild(fresh_nats, url, "--swap"), rebuild(fresh_nats, url, "--swap", "--schema", "another")
        )
        await traffic.end()
        await stand.reached(await api.platform.log.end())

        assert traffic.wrong == []
        assert traffic.reads > 100
        assert [code for code, _ in ends] == [0, 0], ends
        assert (verified[0], "are what the log says" in verified[1]) == (0, True), verified
        refused = swap if swap[0] else other
        assert sorted((swap[0], other[0])) == [0, 2], (swap, other)
        assert "another process rebuilds these tables or verifies them; let it end" in refused[1]
        assert await stand.tables() == project(await read_log(api.platform.log))
        assert (await rebuild(fresh_nats, url, "--verify"))[0] == 0
