"""What tests of a team's work share: commands carried out to their end, and answers of endpoints."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx
from e2e.running_platform import FIXTURES, RunningPlatform, ended
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import Configuration, Operation
from slipway.errors import ProblemError
from slipway.mutation import Mutation

GREETER: Final = FIXTURES / "greeter"
MISBEHAVING: Final = Path(__file__).parents[2] / "examples" / "misbehaving"


async def outcome(client: Slipway, mutation: Mutation, within: float = 60) -> Operation:
    """Send a command and return how it ended."""
    return await ended(client, await mutation, within)


async def carried_out(client: Slipway, mutation: Mutation, within: float = 60) -> Operation:
    """Send a command that succeeds."""
    accepted = await mutation
    operation = await ended(client, accepted, within)
    assert operation.state == "SUCCEEDED", operation
    return operation


async def release_of(client: Slipway, mutation: Mutation, within: float = 60) -> int:
    """Send a command that succeeds, and return the number of the release that it made."""
    operation = await carried_out(client, mutation, within)
    assert operation.release is not None
    return operation.release


async def refusal(mutation: Mutation) -> ProblemError:
    """Send a command that the API refuses, and return why."""
    try:
        accepted = await mutation
    except ProblemError as error:
        return error
    raise AssertionError(f"accepted: {accepted}")


def greeting(text: str, **given: Any) -> Configuration:
    """Return the configuration of a greeter that says this."""
    return Configuration(environment={"GREETING": text}, **given)


def done(platform: RunningPlatform, *arguments: str) -> dict[str, Any]:
    """Run the command line; it succeeds and says this."""
    ran = platform.slipway(*arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return dict(json.loads(ran.stdout.splitlines()[-1]))


async def answer(url: str) -> tuple[int, str]:
    """Return what a caller of the URL gets."""
    async with httpx.AsyncClient(timeout=30) as session:
        response = await session.get(url)
    return response.status_code, response.text


async def answers(url: str, count: int) -> Counter[str]:
    """Return how often each answer came to so many callers."""
    async with httpx.AsyncClient(timeout=30) as session:
        responses = [await session.get(url) for _ in range(count)]
    return Counter(response.text for response in responses)


async def told(url: str) -> dict[str, Any]:
    """Return the JSON that the URL answers with 200."""
    status, text = await answer(url)
    assert status == 200, (status, text)
    return dict(json.loads(text))


async def comes_to_answer(url: str, *expected: int | str, within: float = 20) -> None:
    """Wait until callers of the URL get this status and, if given, this text: the gateways have heard."""

    async def is_so() -> bool:
        seen = await answer(url)
        assert seen[: len(expected)] == expected, seen
        return True

    await eventually(is_so, timeout=within)


async def ready_pids(client: Slipway, deployment: str) -> set[int]:
    """Return the processes of the replicas that are ready."""
    document = (await client.deployment(deployment)).as_json()
    return {each["pid"] for each in document["replica_list"] if each["state"] == "ready"}


async def run(*arguments: str) -> str:
    """Run a program to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode()
