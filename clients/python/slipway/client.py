"""The client library: the routes of the API as methods. It keeps nothing between calls but connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from slipway.archive import Archive, pack
from slipway.comparison_documents import Difference, HistoryEntry
from slipway.dead_messages import DeadMessages
from slipway.deployment_commands import DeploymentCommands
from slipway.documents import (
    Accepted,
    Alias,
    Build,
    Deployment,
    DeploymentDetail,
    Operation,
    Release,
    Version,
    parsed,
)
from slipway.endpoint_access import EndpointAccess
from slipway.errors import ProblemError, ProtocolError, UnreachableError
from slipway.event_stream import GAP, Event, EventStream
from slipway.exchange import Exchange
from slipway.group_secrets import GroupSecrets
from slipway.installation import Installation
from slipway.log_stream import LogLines
from slipway.stored_files import StoredFiles
from slipway.timeline_documents import Timeline
from slipway.tracking import Outcome, Tracking, ended
from slipway.transport import Request, Transport
from slipway.webhooks import Webhooks


class Slipway(DeploymentCommands):
    """One platform, seen from one group; use it with `async with`.

    Every method raises ProblemError when the API refuses, and UnreachableError when it does not answer for
    longer than `patience`. Mutations return, once awaited, when the command is in the log; `follow` waits
    for its end, and `plan` of one that is not awaited says what it would do.

    Args:
        url: base URL of the API.
        key: bearer key.
        group: owner of the deployments.
        patience: seconds during which a request is tried again; mutations keep their Idempotency-Key.
        stream_patience: the same, for taking up a broken stream.
        silence: seconds without a byte after which an answer or a stream counts as lost.
        page_size: items of a list asked for at once.
        tell: gets a line when a stream waits for an API that does not answer, and one when it is back.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        group: str = "default",
        patience: float = 5.0,
        stream_patience: float = 60.0,
        silence: float = 45.0,
        page_size: int = 200,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url = url.rstrip("/")
        self.group = group
        self._stream_patience = stream_patience
        self._transport = Transport(url=self.url, key=key, patience=patience, silence=silence, tell=tell)
        self._api = Exchange(transport=self._transport, group=group, page_size=page_size)
        self.access = EndpointAccess(self._api)
        self.secrets = GroupSecrets(self._api)
        self.webhooks = Webhooks(self._api)
        self.artifacts = StoredFiles(self._api)
        self.installation = Installation(self._api)
        self.dead = DeadMessages(self._api, group=group)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def upload(self, archive: Archive) -> bool:
        """Upload a packed source; False if the platform had these bytes already."""
        path = self._api.path("artifacts", archive.digest)
        if await self._api.found("HEAD", path):
            return False
        headers = {"Content-Type": "application/gzip", "Content-Length": str(archive.size)}
        await self._transport.send(Request(method="PUT", path=path, headers=headers, file=archive.file))
        return True

    async def manifest_schema(self) -> Mapping[str, Any] | None:
        """Return the JSON Schema of the manifests that this platform builds; None: it does not say."""
        request = Request(method="GET", path="/v1/schemas/manifest")
        try:
            document = (await self._transport.send(request, patience=0)).document
        except (ProblemError, UnreachableError):
            return None
        return document if isinstance(document, dict) else None

    async def deployment(
        self, deployment: str, *, at_least: int | None = None, at: str | None = None
    ) -> DeploymentDetail:
        """Return a deployment, as it stands at the sequence `at_least` or later.

        `at` asks for the past: a sequence of the log, or a time of RFC 3339.
        """
        return await self._api.get(DeploymentDetail, self._of(deployment), at_least, at=at)

    async def require(self, deployment: str) -> None:
        """Do nothing where there is such a deployment: what lists nothing of it does not say that.

        Raises:
            ProblemError: there is none.
        """
        await self.deployment(deployment)

    async def aliases(self, deployment: str) -> Sequence[Alias]:
        """Return the aliases of a deployment."""
        return [each async for each in self._api.pages(Alias, self._of(deployment, "aliases"))]

    async def operation(self, operation: str, *, at_least: int | None = None) -> Operation:
        """Return the progress of an accepted command."""
        return await self._api.get(Operation, f"/v1/operations/{quote(operation, safe='')}", at_least)

    async def get_build(self, deployment: str, build: str) -> Build:
        """Return a build with its steps."""
        return await self._api.get(Build, self._of(deployment, "builds", build))

    def deployments(
        self, wish: Mapping[str, Sequence[str]] | None = None, *, limit: int | None = None
    ) -> AsyncIterator[Deployment]:
        """Yield the deployments of the group by id.

        Args:
            wish: filters and the order, as the API names them: `state`, `target`, `version`, `metadata`
                (`k=v`), `q`, `mine`, `sort`.
            limit: at most so many.
        """
        query = [(name, value) for name, values in (wish or {}).items() for value in values]
        return self._api.pages(Deployment, self._api.path("deployments"), limit, query)

    def releases(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[Release]:
        """Yield the releases of a deployment, newest first."""
        return self._api.pages(Release, self._of(deployment, "releases"), limit)

    def history(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[HistoryEntry]:
        """Yield the releases with all that the history says about each, newest first."""
        return self._api.pages(HistoryEntry, self._of(deployment, "history"), limit)

    async def difference(self, deployment: str, before: int, after: int) -> Difference:
        """Return how two releases differ."""
        path = self._of(deployment, "releases", str(before), "diff", str(after))
        return await self._api.get(Difference, path)

    async def timeline(self, deployment: str, *, operation: str | None = None) -> Timeline:
        """Return where the time of an operation went; None: of the last one."""
        query = {} if operation is None else {"operation": operation}
        path = self._of(deployment, "timeline")
        answer = await self._transport.send(Request(method="GET", path=path, query=query))
        return parsed(Timeline, answer.document)

    def versions(
        self, deployment: str, *, limit: int | None = None, hidden: bool = False
    ) -> AsyncIterator[Version]:
        """Yield the versions of a deployment that are not hidden, or those that are, newest first."""
        query = [("hidden", "true")] if hidden else []
        return self._api.pages(Version, self._of(deployment, "versions"), limit, query)

    async def version(self, deployment: str, version: str) -> Version:
        """Return a version by its label or id."""
        return await self._api.get(Version, self._of(deployment, "versions", version))

    async def hide_version(self, deployment: str, version: str, *, hidden: bool = True) -> Version:
        """Take a version out of lists and out of use, or bring it back; its bytes stay."""
        verb = "hide" if hidden else "unhide"
        path = self._of(deployment, "versions", version, verb)
        return await self._api.configure(Version, "POST", path)

    def builds(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[Build]:
        """Yield the builds of a deployment, newest first."""
        return self._api.pages(Build, self._of(deployment, "builds"), limit)

    async def upload_folder(self, folder: Path) -> str:
        """Pack a folder, upload it unless its content is there already, and return its digest.

        Raises:
            InvalidInputError: the folder cannot be packed.
        """
        with await asyncio.to_thread(pack, folder) as archive:
            await self.upload(archive)
        return archive.digest

    def events(
        self, *, deployment: str | None = None, types: Sequence[str] = (), after: int | None = None
    ) -> AsyncGenerator[Event]:
        """Yield events of the group for ever, in log order, without gap or repeat over lost connections.

        Args:
            deployment: only of this one.
            types: only of these or of those that begin so, as `release` or `build.failed`.
            after: sequence after which to begin; None begins with what happens from now on.
        """
        request = Request(method="GET", path="/v1/events", query=self._interest(deployment, types))
        stream = EventStream(
            transport=self._transport, request=request, after=after, patience=self._stream_patience
        )
        return stream.events()

    async def past_events(
        self, *, deployment: str | None = None, types: Sequence[str] = (), after: int = 0
    ) -> AsyncGenerator[Event]:
        """Yield the events that there are, in log order; arguments as of `events`."""
        query = self._interest(deployment, types) | {"from": str(after)}
        async for each in self._api.items("/v1/events", tuple(query.items())):
            yield Event.read(each, kind=str(each.get("type")), sequence=int(each["sequence"]))

    def logs(
        self,
        deployment: str,
        *,
        release: int | None = None,
        replica: str | None = None,
        endpoint: str | None = None,
        tail: int | None = None,
        since: datetime | None = None,
    ) -> LogLines:
        """Return the lines that the replicas of a deployment write.

        Args:
            deployment: whose.
            release: only of the replicas that this one has.
            replica: only of this one, as `0-1`, or of all attempts in a slot, as `0`.
            endpoint: only of this one.
            tail: at most so many of those that are there; None: as many as the API finds right.
            since: none that were read before.
        """
        wish = {
            "release": release,
            "replica": replica,
            "endpoint": endpoint,
            "tail": tail,
            "since": since.isoformat() if since else None,
        }
        return self._lines(self._of(deployment, "logs"), wish)

    def build_log(
        self, deployment: str, build: str, *, tail: int | None = None, since: datetime | None = None
    ) -> LogLines:
        """Return the lines that a build writes."""
        wish = {"tail": tail, "since": since.isoformat() if since else None}
        return self._lines(self._of(deployment, "builds", build, "log"), wish)

    async def follow(self, accepted: Accepted, show: Callable[[Event], None] | None = None) -> Outcome:
        """Return how an accepted command ended; `show` gets each of its events as it comes."""
        tracking = Tracking(operation=accepted.operation.id, build=accepted.build)
        stream = self.events(deployment=accepted.deployment, after=accepted.sequence)
        async with aclosing(stream) as events:
            async for event in events:
                if event.type == GAP:
                    tracking.outcome = ended(await self.operation(accepted.operation.id), event.sequence)
                elif tracking.take(event) and show is not None:
                    show(event)
                if tracking.outcome is not None:
                    return tracking.outcome
        raise ProtocolError("the event stream ended before the operation")

    def _interest(self, deployment: str | None, types: Sequence[str]) -> dict[str, str]:
        given = {"group": self.group, "deployment": deployment, "types": ",".join(types)}
        return {name: value for name, value in given.items() if value}

    def _lines(self, path: str, wish: Mapping[str, str | int | None]) -> LogLines:
        query = {name: str(value) for name, value in wish.items() if value is not None}
        request = Request(method="GET", path=path, query=query)
        return LogLines(transport=self._transport, request=request, patience=self._stream_patience)
