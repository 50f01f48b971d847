"""`slipway projections rebuild` of a log of 1,000,000 events, in a Postgres of its own.

The log is that of a fleet, written many times over: every copy has deployments and ids of its own. The time
is that of the whole process, from its start until the rebuilt tables are in use. Prints one JSON line.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import fleet
import uvloop
from servers import NatsServer, PostgresServer, clean_environment
from slipway_chassis.connection import Connection
from slipway_chassis.provision import provision
from slipway_contracts.codec import encode
from slipway_contracts.topology import LOG
from slipway_store.connections import connect
from slipway_store.migrate import upgrade

EVENTS: Final = 1_000_000
PART: Final = 20_000
DEPLOYMENTS: Final = 400
CONFIRMED: Final = 1_000
"""Every so many messages the confirmation of one is awaited: the server takes no unlimited lot unasked."""
UUID: Final = re.compile(r"\b([0-9a-f]{8})(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)")
POSITION: Final = re.compile(r'"position":[0-9]+,')

Wire = tuple[str, str, dict[str, str]]


def part() -> list[Wire]:
    """Return the messages of one part as they go over the wire: subject, body, headers."""
    return [
        (each.subject, encode(each.message).decode(), each.envelope.to_headers())
        for each in fleet.messages(PART, deployments=DEPLOYMENTS)
    ]


def copied(messages: Sequence[Wire], number: int, *, after: int) -> Iterator[Wire]:
    """Return a part with deployments and ids of its own, as it lies in the log behind `after`."""

    def other(text: str) -> str:
        renamed = text.replace("model-", f"model-{number}-")
        return UUID.sub(lambda found: f"{int(found[1], 16) ^ number:08x}", renamed)

    for sequence, (subject, body, headers) in enumerate(messages, start=after):
        # A decision names the position up to which it knows the log: all before it.
        decided = POSITION.sub(f'"position":{sequence},', body) if subject.endswith(".desired") else body
        yield other(subject), other(decided), {name: other(value) for name, value in headers.items()}


async def fill(nats: NatsServer, events: int) -> None:
    """Write the log."""
    connection = await Connection.open(url=nats.url, user=None, password=None, name="bench")
    await provision(connection)
    jetstream, messages, written = connection.nc.jetstream(), part(), 0
    for number in range(-(-events // PART)):
        for subject, body, headers in copied(messages[: events - written], number, after=written):
            written += 1
            if written % CONFIRMED == 0 or written == events:
                await jetstream.publish(subject, body.encode(), headers=headers)
            else:
                await connection.nc.publish(subject, body.encode(), headers=headers)
    state = (await jetstream.stream_info(LOG.name)).state
    assert state.messages == events, state
    await connection.close()


def rebuild(nats: NatsServer, url: str) -> float:
    """Run the command; return how many seconds it took."""
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "slipway_projector.rebuild_command", "--swap"],
        env=clean_environment(SLIPWAY_NATS_URL=nats.url, SLIPWAY_DATABASE_URL=url),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - began
    assert "the rebuilt tables are in use" in ran.stdout, ran.stdout
    return seconds


async def check(url: str, events: int) -> None:
    """Check that everything came, with its deployments."""
    connection = await connect(url)
    (position,) = await connection.fetch("select sequence from checkpoint")
    (stored,) = await connection.fetch("select count(*) from event")
    (there,) = await connection.fetch("select count(*) from deployment")
    await connection.close()
    assert (position[0], stored[0]) == (events, events)
    assert there[0] > events // PART, there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="how many lie in the log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-bench-rebuild-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        nats, postgres = NatsServer(folder / "nats"), PostgresServer(folder)
        postgres.create()
        nats.start()
        postgres.start()
        try:
            began = time.perf_counter()
            uvloop.run(fill(nats, options.events))
            sys.stderr.write(f"{options.events} events written in {time.perf_counter() - began:.0f} s\n")
            asyncio.run(upgrade(postgres.url()))
            seconds = rebuild(nats, postgres.url())
            asyncio.run(check(postgres.url(), options.events))
        finally:
            postgres.stop()
            nats.stop()
    figures = {
        "bench": "rebuild-projections",
        "events": options.events,
        "seconds": round(seconds, 1),
        "events_per_s": round(options.events / seconds),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
