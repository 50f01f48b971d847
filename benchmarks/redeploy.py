"""Twenty redeploys under an open-loop load of 200 requests per second; a wrong answer is a failed one.

Each release greets with its own number, so `answers_by_release` shows that all of them served. Latency counts
from the intended send time. Prints one JSON line.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from e2e.running_platform import FIXTURES, RunningPlatform
from load import Answer, Request, Sample, open_loop, quantile
from slipway.documents import Configuration

REDEPLOYS: Final = 20
RATE: Final = 200.0
CALM_SECONDS: Final = 10.0
OK: Final = 200


def greeting_of(answer: Answer) -> str | None:
    """Return which release answered; None where no release of this bench can have said that."""
    text = answer.body.decode(errors="replace")
    known = {f"release-{number}" for number in range(1, REDEPLOYS + 2)}
    return text if answer.status == OK and text in known else None


async def redeploy_under_load(platform: RunningPlatform) -> tuple[list[Sample], list[Sample]]:
    """Return the samples of a calm time, and those while releases changed."""
    gateway = urlsplit(platform.gateway_url)
    request = Request(port=gateway.port or 80, path="/default/greeter/greet")
    stop = asyncio.Event()
    load = asyncio.create_task(open_loop(request, rate=RATE, stop=stop, check=greeting_of))
    await asyncio.sleep(CALM_SECONDS)
    changing_from = time.perf_counter()
    async with platform.client() as client:
        for number in range(2, REDEPLOYS + 2):
            config = Configuration(environment={"GREETING": f"release-{number}"})
            outcome = await client.follow(await client.redeploy("greeter", config=config))
            assert outcome.state == "SUCCEEDED", outcome
    stop.set()
    samples = await load
    before = [sample for sample in samples if sample.due < changing_from]
    return before, [sample for sample in samples if sample.due >= changing_from]


def figures(before: list[Sample], during: list[Sample]) -> dict[str, object]:
    everything = before + during
    failures = [sample.failure for sample in everything if sample.failure is not None]
    return {
        "bench": "redeploy",
        "redeploys": REDEPLOYS,
        "sent": len(everything),
        "failed": len(failures),
        "failures": dict(Counter(failures).most_common(3)),
        "answers_by_release": dict(Counter(sample.label for sample in everything if sample.label)),
        "p99_before_ms": round(quantile([sample.seconds for sample in before], 0.99) * 1000, 2),
        "p99_during_ms": round(quantile([sample.seconds for sample in during], 0.99) * 1000, 2),
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            ran = platform.slipway("deploy", str(FIXTURES / "greeter"), "--env", "GREETING=release-1")
            assert ran.returncode == 0, ran.stdout + ran.stderr
            before, during = asyncio.run(redeploy_under_load(platform))
        finally:
            platform.down()
    print(json.dumps(figures(before, during)))


if __name__ == "__main__":
    main()
