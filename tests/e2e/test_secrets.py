"""The value of a secret reaches the replicas that it is meant for, and can be read nowhere else."""

import asyncio
import base64
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

import httpx
import pytest
from e2e.carrying_out import (
    answer,
    carried_out,
    comes_to_answer,
    done,
    outcome,
    ready_pids,
    refusal,
    release_of,
)
from e2e.running_platform import RunningPlatform
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import Configuration, SecretRef
from slipway.errors import ProblemError

NAME = "trusted"
STORED = "canary"
_BLOCK: Final = 1 << 20
APP = """
import hashlib, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        body = hashlib.sha256(os.environ.get("TOKEN", "").encode()).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MANIFEST = """
endpoints:
  - name: digest
    server-command: python app.py
    health: /
"""


@pytest.fixture(scope="module")
def url(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint that answers the SHA-256 of its variable TOKEN; its version is labelled `digest-1`."""
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "app.py").write_text(APP)
    (folder / "slipway.yaml").write_text(MANIFEST)
    done(platform, "deploy", str(folder), "--name", NAME, "--env", "TOKEN=none yet")
    return f"{platform.gateway_url}/default/{NAME}/digest"


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


def referring(secret: str = STORED, **literals: str) -> Configuration:
    return Configuration(environment={"TOKEN": SecretRef(secret=secret), **literals})


def seen_as(value: str) -> tuple[int, str]:
    return 200, hashlib.sha256(value.encode()).hexdigest()


def traces(value: str) -> list[bytes]:
    """Return the forms in which a value could be found: as it is, and inside anything that is base64."""
    plain = value.encode()
    shifted = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, *shifted]


def files_with(folder: Path, wanted: list[bytes]) -> Iterator[Path]:
    """Yield the files of a folder that hold one of these, across the borders of what is read at once."""
    overlap = max(map(len, wanted))
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                tail = b""
                while block := file.read(_BLOCK):
                    if any(each in tail + block for each in wanted):
                        yield path
                        break
                    tail = block[-overlap:]
        except FileNotFoundError:
            continue  # databases remove files while they run


async def everything_that_can_be_read(platform: RunningPlatform) -> str:
    """Return what the API answers about the deployment and its group."""
    connection = json.loads((platform.state / "connection.json").read_text())
    key = (platform.state / "admin.key").read_text().strip()
    group = "/v1/groups/default"
    own = f"{group}/deployments/{NAME}"
    parts = ("", "/releases", "/history", "/versions", "/builds", "/aliases", "/access", "/logs?tail=1000")
    paths = [f"{own}{part}" for part in parts]
    paths += [group, f"{group}/secrets", f"{group}/deployments", f"{group}/artifacts", "/v1/targets"]
    paths += ["/v1/operations?page_size=200", "/v1/events?group=default&from=0&page_size=200"]
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
    texts = []
    async with httpx.AsyncClient(base_url=connection["url"], headers=headers, timeout=30) as http:
        for path in paths:
            response = await http.get(path)
            assert response.status_code == 200, (path, response.text)
            texts.append(response.text)
    return "\n".join(texts)


async def stream_until(client: Slipway, stop: asyncio.Event, after: int) -> str:
    """Return what the event stream sends until told to stop."""
    seen: list[str] = []
    async with aclosing(client.events(after=after)) as events:
        async for event in events:
            seen.append(json.dumps(event.document, default=str))
            if stop.is_set():
                break
    return "\n".join(seen)


async def test_a_canary_is_found_in_its_replica_and_nowhere_else(
    platform: RunningPlatform, client: Slipway, url: str
) -> None:
    canary = secrets.token_hex(24)
    literal = secrets.token_hex(24)
    begin = (await client.deployment(NAME)).as_json()["etag"]
    stop = asyncio.Event()
    stream = asyncio.create_task(stream_until(client, stop, int(begin)))

    stored = await client.secrets.set(STORED, canary)
    await carried_out(client, client.redeploy(NAME, config=referring(KNOWN=literal)))
    seen = await answer(url)
    stop.set()
    await carried_out(client, client.restart(NAME))
    streamed = await asyncio.wait_for(stream, 30)
    read = await everything_that_can_be_read(platform)

    forms = traces(canary)
    assert seen == seen_as(canary)
    assert stored.as_json().keys().isdisjoint({"value"})
    for text in (streamed, read):
        assert literal in text  # what is looked for would have been found
        assert not [each for each in forms if each.decode() in text]
    found = set(files_with(platform.state, [literal.encode()]))
    for folder in ("nats", "postgres"):
        assert any(path.is_relative_to(platform.state / folder) for path in found)
    assert list(files_with(platform.state, forms)) == []
    assert command_lines_with(canary) == []


def command_lines_with(value: str) -> list[str]:
    """Return the processes whose command line has the value: any user of the machine can read these."""
    shown = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if value.encode() in path.read_bytes():
                shown.append(str(path))
        except OSError:
            continue
    return shown


async def test_a_secret_survives_the_death_of_its_replica(client: Slipway, url: str) -> None:
    await client.secrets.set(STORED, "kept in memory")
    await carried_out(client, client.redeploy(NAME, config=referring()))
    [pid] = await eventually(lambda: only_one(client))

    os.kill(pid, 9)

    async def is_back() -> bool:
        return bool(await ready_pids(client, NAME) - {pid})

    await eventually(is_back, timeout=30)
    await comes_to_answer(url, *seen_as("kept in memory"))


async def only_one(client: Slipway) -> set[int]:
    """Return the one process that is ready, once those of the release before are gone."""
    pids = await ready_pids(client, NAME)
    return pids if len(pids) == 1 else set()


async def test_a_new_version_reaches_releases_that_are_made_from_then_on(client: Slipway, url: str) -> None:
    await client.secrets.set(STORED, "the old one")
    await carried_out(client, client.redeploy(NAME, config=referring()))
    await client.secrets.set(STORED, "the new one")

    await carried_out(client, client.restart(NAME))
    restarted = await answer(url)
    await carried_out(client, client.update(NAME, {"environment": {"TOKEN": {"secret": STORED}}}))
    updated = await answer(url)

    assert restarted == seen_as("the old one")
    assert updated == seen_as("the new one")


@pytest.mark.usefixtures("url")
async def test_a_secret_that_is_not_there_is_refused_before_anything_happens(client: Slipway) -> None:
    before = (await client.deployment(NAME)).as_json()["etag"]

    unknown = await refusal(client.redeploy(NAME, config=referring("no-such-secret")))

    assert (unknown.status, unknown.reason) == (404, "SecretNotFound")
    assert (await client.deployment(NAME)).as_json()["etag"] == before


async def test_a_secret_in_use_is_kept_and_one_that_was_removed_fails_the_start(
    client: Slipway, url: str
) -> None:
    await client.secrets.set("brief", "not for long")
    used = await release_of(client, client.redeploy(NAME, config=referring("brief")))

    with pytest.raises(ProblemError) as refused:
        await client.secrets.remove("brief")
    await client.secrets.remove("brief", force=True)
    restart = await outcome(client, client.restart(NAME))

    deployment = await client.deployment(NAME)
    assert (refused.value.status, refused.value.reason) == (409, "SecretInUse")
    assert restart.state == "FAILED"
    assert restart.failure is not None
    assert restart.failure.reason == "SecretMissing"
    assert "brief" in restart.failure.message
    assert restart.failure.hint
    assert (deployment.state, deployment.live_release) == ("DEPLOYED", used)
    assert await answer(url) == seen_as("not for long")


async def test_an_alias_stays_where_it_is_if_what_it_moves_to_has_lost_its_secret(
    client: Slipway, url: str
) -> None:
    await client.secrets.set("lost", "lost")
    old = await release_of(client, client.redeploy(NAME, config=referring("lost")))
    serves = await release_of(client, client.redeploy(NAME, config=literally("found")))
    await eventually(lambda: is_in(client, old, "RETIRED"))
    await client.secrets.remove("lost", force=True)

    move = await outcome(client, client.set_alias(NAME, "live", release=old))

    assert move.state == "FAILED"
    assert move.failure is not None
    assert move.failure.reason == "SecretMissing"
    assert (await client.deployment(NAME)).live_release == serves
    assert await is_in(client, old, "RETIRED")
    assert await answer(url) == seen_as("found")


async def is_in(client: Slipway, number: int, state: str) -> bool:
    found = [each async for each in client.releases(NAME) if each.number == number]
    return [each.state for each in found] == [state]


def literally(value: str) -> Configuration:
    return Configuration(environment={"TOKEN": value})


@pytest.mark.usefixtures("url")
async def test_what_ends_leaves_no_value_behind(platform: RunningPlatform, client: Slipway) -> None:
    await client.secrets.set(STORED, "gone with its replica")
    await carried_out(client, client.redeploy(NAME, config=referring()))
    folder = (platform.state / "engine" / "secrets").resolve()
    before = list(files_with(folder, [b"gone with its replica"]))

    await carried_out(client, client.stop(NAME))

    assert len(before) == 1
    assert not before[0].is_relative_to(platform.state.resolve())
    assert list(files_with(folder, [b"gone with its replica"])) == []
