"""A code-only change of a source with dependencies: from the start of its upload to `build.succeeded`.

Prints one JSON line: `seconds`, the median of the runs, and the first build, which installs the dependencies.
"""

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from e2e.running_platform import RunningPlatform
from slipway.client import Slipway

RUNS: Final = 10
DIGITS: Final = Path(__file__).parents[1] / "examples" / "digits"


async def build(client: Slipway, source: Path) -> float:
    """Return the seconds that one upload and build took."""
    began = time.perf_counter()
    digest = await client.upload_folder(source)
    outcome = await client.follow(await client.build("digits", source=digest))
    assert outcome.state == "SUCCEEDED", outcome
    return time.perf_counter() - began


async def measure(platform: RunningPlatform, source: Path) -> tuple[float, list[float]]:
    async with platform.client() as client:
        first = await build(client, source)
        rebuilds = []
        for run in range(RUNS):
            with (source / "predict_wsgi.py").open("a") as code:
                code.write(f"\n# Change number {run}.\n")
            rebuilds.append(await build(client, source))
    return first, rebuilds


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        source = Path(name) / "digits"
        shutil.copytree(DIGITS, source)
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            first, rebuilds = asyncio.run(measure(platform, source))
        finally:
            platform.down()
    figures = {
        "bench": "rebuild",
        "runs": RUNS,
        "seconds": round(statistics.median(rebuilds), 3),
        "slowest_seconds": round(max(rebuilds), 3),
        "first_build_seconds": round(first, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
