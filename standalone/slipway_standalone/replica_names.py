"""Whose a replica's program is: deployment, release, endpoint and replica, instead of the hashes in its name.

The engine's files say all but the release, which the API knows; where it does not answer, that stays open.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from slipway.connection import Connection, find_connection
from slipway.errors import SlipwayError

from slipway_standalone.folder import StateFolder

_ANSWER_SECONDS: Final = 3.0
_USUAL_GROUP: Final = "default"


@dataclass(frozen=True, kw_only=True)
class ReplicaName:
    """Who a replica is.

    Attributes:
        release: the newest that has it; None: not known now.
    """

    group: str
    deployment: str
    endpoint: str
    replica: str
    workload: str
    release: int | None = None

    @property
    def spoken(self) -> str:
        """As in their log, `digits/7/0-1 predict`; with its group unless that is the usual one."""
        owner = self.deployment if self.group == _USUAL_GROUP else f"{self.group}/{self.deployment}"
        return f"{owner}/{self.release or '?'}/{self.replica} {self.endpoint}"


async def replica_names(folder: StateFolder, programs: Iterable[str]) -> Mapping[str, ReplicaName]:
    """Return who is behind these programs, as far as that is known."""
    found = {each: name for each in programs if (name := _named(folder, each)) is not None}
    owners = {(name.group, name.deployment) for name in found.values()}
    releases = await _releases(folder, owners) if owners else {}
    return {
        program: replace(name, release=releases.get((name.group, name.deployment, name.workload)))
        for program, name in found.items()
    }


def _named(folder: StateFolder, program: str) -> ReplicaName | None:
    try:
        file = folder.path / "engine" / "replicas" / program / "launch.json"
        written = json.loads(file.read_text(encoding="utf-8"))
        return ReplicaName(
            **{each: written[each] for each in ("group", "deployment", "endpoint", "replica", "workload")}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _releases(
    folder: StateFolder, owners: Iterable[tuple[str, str]]
) -> Mapping[tuple[str, str, str], int]:
    """Return the release of each workload of these deployments."""
    try:
        connection = find_connection(state=folder.path)
    except SlipwayError:
        return {}
    found: dict[tuple[str, str, str], int] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            for group, deployment in owners:
                for workload, release in (await _told(connection, group, deployment)).items():
                    found[group, deployment, workload] = release
    return found


async def _told(connection: Connection, group: str, deployment: str) -> Mapping[str, int]:
    from slipway.client import Slipway  # noqa: PLC0415 - heavy, and `up` and `down` do without

    async with Slipway(connection.url, connection.key, group=group, patience=0) as client:
        try:
            shown = (await client.deployment(deployment)).as_json()["replica_list"]
            return {each["workload"]: each["release"] for each in shown if each.get("release") is not None}
        except (SlipwayError, KeyError, TypeError):
            return {}
