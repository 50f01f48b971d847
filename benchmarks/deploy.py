"""From an accepted POST to the first 200 through the gateway, less what the model server itself needs.

The server is a stdlib one that writes down when it was spawned and when it listened; that time is subtracted
in each run. Prints one JSON line: `overhead_p50_ms`, `overhead_p99_ms` and the parts.
"""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import aiohttp
from e2e.running_platform import RunningPlatform
from slipway.client import Slipway
from slipway.documents import Configuration

RUNS: Final = 20
SERVER: Final = """
import os, time
SPAWNED = None
with open("/proc/self/stat") as stat:
    ticks = int(stat.read().rsplit(") ", 1)[1].split()[19])
with open("/proc/uptime") as uptime:
    up = float(uptime.read().split()[0])
SPAWNED = time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("%f %f %s" % (SPAWNED, LISTENING, os.environ["RUN"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
LISTENING = time.time()
server.serve_forever()
"""
MANIFEST: Final = "endpoints:\n  - name: clock\n    server-command: python server.py\n"


async def first_answer(session: aiohttp.ClientSession, url: str, run: str) -> tuple[float, float, float]:
    """Return when the first answer of this run came, and when its server was spawned and listened."""
    while True:
        async with session.get(url) as response:
            text = await response.text()
            words = text.split()
            if response.status == 200 and words[2] == run:  # noqa: PLR2004
                return time.time(), float(words[0]), float(words[1])
        await asyncio.sleep(0.001)


async def one_run(
    platform: RunningPlatform, client: Slipway, session: aiohttp.ClientSession, version: str, run: str
) -> float:
    """Return the milliseconds from the acceptance to the first answer, less the server's own start."""
    config = Configuration(environment={"RUN": run})
    began = time.time()
    accepted = await client.deploy("clock", version=version, config=config)
    url = f"{platform.gateway_url}/default/clock/clock"
    answered, spawned, listening = await first_answer(session, url, run)
    await client.follow(accepted)
    return (answered - began - (listening - spawned)) * 1000


async def measure(platform: RunningPlatform) -> list[float]:
    async with platform.client() as client, aiohttp.ClientSession() as session:
        version = (await client.deployment("clock")).version_label or ""
        return [await one_run(platform, client, session, version, f"run-{run}") for run in range(RUNS)]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        source = Path(name) / "clock"
        source.mkdir()
        (source / "server.py").write_text(SERVER)
        (source / "slipway.yaml").write_text(MANIFEST)
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            ran = platform.slipway("deploy", str(source), "--env", "RUN=first")
            assert ran.returncode == 0, ran.stdout + ran.stderr
            overheads = sorted(asyncio.run(measure(platform)))
        finally:
            platform.down()
    figures = {
        "bench": "deploy",
        "runs": RUNS,
        "overhead_p50_ms": round(statistics.median(overheads), 1),
        "overhead_p99_ms": round(overheads[min(len(overheads) - 1, int(len(overheads) * 0.99))], 1),
        "overhead_min_ms": round(overheads[0], 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
