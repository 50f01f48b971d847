"""A hundred redeploys, rollbacks and alias moves under 200 requests per second, replicas killed in between.

The control is the same load in the same run on the same model processes without a platform: as many are
started, awaited and ended by hand, at the pace at which the platform did it. A wrong answer is a failed one.
Latency counts from the intended send time. Prints one JSON line.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from e2e.running_platform import FIXTURES, RunningPlatform
from load import Answer, Request, Sample, open_loop, quantile
from servers import free_port

CHANGES: Final = 100
KILL_EVERY: Final = 5
RATE: Final = 200.0
CALM_SECONDS: Final = 10.0
OK: Final = 200
_GREETED: Final = "release-"


def greeting_of(answer: Answer) -> str | None:
    """Return which release answered; None where no release of this bench can have said that."""
    text = answer.body.decode(errors="replace")
    return text if answer.status == OK and text.startswith(_GREETED) else None


class Api:
    """What the bench asks of the platform, each waited for in one request, so that waiting costs nothing."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.releases = 1

    async def change(self, number: int) -> str:
        """Redeploy, redeploy, go back, or move the alias; return which of them it was."""
        match number % 4:
            case 0 | 1:
                await self._done(
                    "POST", "redeploy", {"environment": {"GREETING": f"{_GREETED}{self.releases + 1}"}}
                )
                self.releases += 1
                return "redeploy"
            case 2:
                await self._done("POST", "rollback", {})
                self.releases += 1
                return "rollback"
            case _:
                await self._done("PUT", "aliases/live", {"release": max(1, self.releases - 1)})
                return "alias move"

    async def replica_pids(self) -> list[int]:
        """Return the processes of the replicas that are ready."""
        async with self._session.get("/v1/groups/default/deployments/greeter") as answer:
            listed = (await answer.json())["replica_list"]
        return [each["pid"] for each in listed if each["state"] == "ready" and each["pid"]]

    async def _done(self, method: str, what: str, body: dict[str, Any]) -> None:
        path = f"/v1/groups/default/deployments/greeter/{what}"
        async with self._session.request(method, path, json=body) as answer:
            told = await answer.json()
        assert answer.status == OK, told
        assert told["operation"]["state"] == "SUCCEEDED", told


@asynccontextmanager
async def api_of(platform: RunningPlatform) -> AsyncIterator[Api]:
    connection = json.loads((platform.state / "connection.json").read_text())
    key = (platform.state / "admin.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=60"}
    async with aiohttp.ClientSession(connection["url"], headers=headers) as session:
        yield Api(session)


def killed_one(pids: list[int]) -> int:
    """Kill the first of these that still runs: what was ready a moment ago may have been retired since."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return 1
    return 0


async def under_load(platform: RunningPlatform) -> tuple[list[Sample], list[Sample], Counter[str], float]:
    """Return the samples of a calm time, those while things changed, what changed, and how long that took."""
    gateway = urlsplit(platform.gateway_url)
    request = Request(port=gateway.port or 80, path="/default/greeter/greet")
    stop = asyncio.Event()
    load = asyncio.create_task(open_loop(request, rate=RATE, stop=stop, check=greeting_of))
    await asyncio.sleep(CALM_SECONDS)
    changing_from = time.perf_counter()
    done: Counter[str] = Counter()
    async with api_of(platform) as api:
        for number in range(CHANGES):
            done[await api.change(number)] += 1
            if number % KILL_EVERY == 0:
                done["killed replica"] += killed_one(await api.replica_pids())
    seconds = time.perf_counter() - changing_from
    stop.set()
    samples = await load
    before = [sample for sample in samples if sample.due < changing_from]
    return before, [sample for sample in samples if sample.due >= changing_from], done, seconds


async def by_hand(number: int) -> tuple[asyncio.subprocess.Process, Request]:
    """Start a model process and return when it answers."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys._base_executable,  # type: ignore[attr-defined]  # noqa: SLF001 - as the engine does
        str(FIXTURES / "greeter" / "app.py"),
        env={"PORT": str(port), "GREETING": f"{_GREETED}{number}", "PATH": os.defpath},
        stdout=asyncio.subprocess.DEVNULL,
    )
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return process, Request(port=port, path="/")
        await asyncio.sleep(0.02)


async def control(seconds_per_change: float) -> list[Sample]:
    """Return the samples of the same load while as many pairs of processes take turns by hand."""
    serving = [await by_hand(1), await by_hand(1)]
    turn = 0

    def next_request() -> Request:
        nonlocal turn
        turn += 1
        return serving[turn % len(serving)][1]

    stop = asyncio.Event()
    load = asyncio.create_task(open_loop(next_request, rate=RATE, stop=stop, check=greeting_of))
    for number in range(CHANGES):
        due = time.perf_counter() + seconds_per_change
        old, serving = serving, [await by_hand(number), await by_hand(number)]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        for process, _ in old:
            process.terminate()
            await process.wait()
    stop.set()
    samples = await load
    for process, _ in serving:
        process.terminate()
        await process.wait()
    return samples


def p99(samples: list[Sample]) -> float:
    return round(quantile([sample.seconds for sample in samples], 0.99) * 1000, 2)


def figures(
    before: list[Sample], during: list[Sample], controlled: list[Sample], done: Counter[str]
) -> dict[str, object]:
    failures = [sample.failure for sample in before + during if sample.failure is not None]
    return {
        "bench": "redeploy",
        "changes": dict(done),
        "sent": len(before) + len(during),
        "failed": len(failures),
        "failures": dict(Counter(failures).most_common(3)),
        "releases_that_answered": len({sample.label for sample in during if sample.label}),
        "p99_before_ms": p99(before),
        "p99_during_ms": p99(during),
        "control_sent": len(controlled),
        "control_failed": sum(1 for sample in controlled if sample.failure),
        "p99_control_ms": p99(controlled),
        "ratio": round(p99(during) / p99(controlled), 3),
    }


async def measure(platform: RunningPlatform) -> dict[str, object]:
    before, during, done, seconds = await under_load(platform)
    await asyncio.to_thread(platform.slipway, "stop", "greeter")
    controlled = await control(seconds / CHANGES)
    return figures(before, during, controlled, done)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            source = str(FIXTURES / "greeter")
            greeting = f"GREETING={_GREETED}1"
            for arguments in (
                ("deploy", source, "--env", greeting, "--replicas", "2"),
                ("redeploy", "greeter", "--env", f"GREETING={_GREETED}1"),
            ):
                ran = platform.slipway(*arguments)
                assert ran.returncode == 0, ran.stdout + ran.stderr
            measured = asyncio.run(measure(platform))
        finally:
            platform.down()
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
