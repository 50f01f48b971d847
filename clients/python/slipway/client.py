"""The client library: the routes of the API as methods. It keeps nothing between calls but connections."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from slipway.archive import Archive, pack
from slipway.documents import (
    Accepted,
    Build,
    Configuration,
    Deployment,
    DeploymentDetail,
    Operation,
    Release,
    Size,
    Version,
)
from slipway.errors import ProblemError, ProtocolError
from slipway.event_stream import GAP, Event, EventStream
from slipway.exchange import Exchange
from slipway.log_stream import LogLines
from slipway.tracking import Outcome, Tracking, ended
from slipway.transport import Request, Transport


class Slipway:
    """One platform, seen from one group; use it with `async with`.

    Every method raises ProblemError when the API refuses, and UnreachableError when it does not answer for
    longer than `patience`. Mutations return once the command is in the log; `follow` waits for its end.

    Args:
        url: base URL of the API.
        key: bearer key.
        group: owner of the deployments.
        patience: seconds during which a request is tried again; mutations keep their Idempotency-Key.
        stream_patience: the same, for taking up a broken stream.
        silence: seconds without a byte after which an answer or a stream counts as lost.
        page_size: items of a list asked for at once.
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
    ) -> None:
        self.url = url.rstrip("/")
        self.group = group
        self._stream_patience = stream_patience
        self._transport = Transport(url=self.url, key=key, patience=patience, silence=silence)
        self._api = Exchange(transport=self._transport, group=group, page_size=page_size)

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

    async def create(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
    ) -> Accepted:
        """Create a deployment from a version (label or id), or from the digest of an uploaded source."""
        body = {"id": deployment} | _release(version=version, source=source, label=label, config=config)
        return await self._api.command("POST", self._api.path("deployments"), body)

    async def deploy(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
    ) -> Accepted:
        """Make a release of another version; what `config` leaves open takes its default."""
        body = _release(version=version, source=source, label=label, config=config)
        return await self._api.command("POST", self._of(deployment, "deploy"), body)

    async def redeploy(
        self, deployment: str, *, version: str | None = None, config: Configuration | None = None
    ) -> Accepted:
        """Make a release that differs from the one that was live last only in what is given."""
        if config is not None and config.size is not None:
            config = config.model_copy(update={"size": await self._whole(deployment, config.size)})
        body = _release(version=version, config=config)
        return await self._api.command("POST", self._of(deployment, "redeploy"), body)

    async def stop(self, deployment: str) -> Accepted:
        """Take a deployment off its route and end its replicas."""
        return await self._api.command("POST", self._of(deployment, "stop"))

    async def start(self, deployment: str) -> Accepted:
        """Run a stopped deployment again, as it was."""
        return await self._api.command("POST", self._of(deployment, "start"))

    async def cancel(self, deployment: str) -> Accepted:
        """End the unfinished release; what served before still serves."""
        return await self._api.command("POST", self._of(deployment, "cancel"))

    async def delete(self, deployment: str) -> Accepted:
        """Stop a deployment and take it out of every list."""
        return await self._api.command("DELETE", self._of(deployment))

    async def build(self, deployment: str, *, source: str, label: str | None = None) -> Accepted:
        """Make a version from the digest of an uploaded source, and deploy nothing."""
        body = _release(source=source, label=label)
        return await self._api.command("POST", self._of(deployment, "builds"), body)

    async def cancel_build(self, deployment: str, build: str) -> Accepted:
        """End a build at once."""
        return await self._api.command("POST", self._of(deployment, "builds", build, "cancel"))

    async def deployment(self, deployment: str, *, at_least: int | None = None) -> DeploymentDetail:
        """Return a deployment, as it stands at the sequence `at_least` or later."""
        return await self._api.get(DeploymentDetail, self._of(deployment), at_least)

    async def operation(self, operation: str, *, at_least: int | None = None) -> Operation:
        """Return the progress of an accepted command."""
        return await self._api.get(Operation, f"/v1/operations/{quote(operation, safe='')}", at_least)

    async def get_build(self, deployment: str, build: str) -> Build:
        """Return a build with its steps."""
        return await self._api.get(Build, self._of(deployment, "builds", build))

    def deployments(self) -> AsyncIterator[Deployment]:
        """Yield the deployments of the group by id."""
        return self._api.pages(Deployment, self._api.path("deployments"))

    def releases(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[Release]:
        """Yield the releases of a deployment, newest first."""
        return self._api.pages(Release, self._of(deployment, "releases"), limit)

    def versions(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[Version]:
        """Yield the versions of a deployment, newest first."""
        return self._api.pages(Version, self._of(deployment, "versions"), limit)

    def builds(self, deployment: str, *, limit: int | None = None) -> AsyncIterator[Build]:
        """Yield the builds of a deployment, newest first."""
        return self._api.pages(Build, self._of(deployment, "builds"), limit)

    async def put(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
    ) -> Accepted:
        """Create the deployment or, where it exists, deploy to it."""
        try:
            return await self.create(deployment, version=version, source=source, label=label, config=config)
        except ProblemError as error:
            if error.reason != "DeploymentExists":
                raise
        return await self.deploy(deployment, version=version, source=source, label=label, config=config)

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
        async for each in self._api.items("/v1/events", query):
            yield Event.read(each, kind=str(each.get("type")), sequence=int(each["sequence"]))

    def logs(
        self,
        deployment: str,
        *,
        replica: str | None = None,
        endpoint: str | None = None,
        tail: int | None = None,
        since: datetime | None = None,
    ) -> LogLines:
        """Return the lines that the replicas of a deployment write.

        Args:
            deployment: whose.
            replica: only of this one.
            endpoint: only of this one.
            tail: at most so many of those that are there; None: as many as the API finds right.
            since: none that were read before.
        """
        wish = {
            "replica": replica,
            "endpoint": endpoint,
            "tail": tail,
            "since": since.isoformat() if since else None,
        }
        return self._lines(self._of(deployment, "logs"), wish)

    def build_log(self, deployment: str, build: str, *, tail: int | None = None) -> LogLines:
        """Return the lines that a build writes."""
        return self._lines(self._of(deployment, "builds", build, "log"), {"tail": tail})

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

    async def _whole(self, deployment: str, size: Size) -> Size:
        """Return the size with what it leaves open taken from the release that was live last."""
        if size.cpu is not None and size.memory_bytes is not None:
            return size
        async for release in self.releases(deployment):
            if release.live_at is not None:
                return release.config.size.model_copy(update=size.model_dump(exclude_none=True))
        return size

    def _of(self, deployment: str, *parts: str) -> str:
        return self._api.path("deployments", deployment, *parts)

    def _interest(self, deployment: str | None, types: Sequence[str]) -> dict[str, str]:
        given = {"group": self.group, "deployment": deployment, "types": ",".join(types)}
        return {name: value for name, value in given.items() if value}

    def _lines(self, path: str, wish: Mapping[str, str | int | None]) -> LogLines:
        query = {name: str(value) for name, value in wish.items() if value is not None}
        request = Request(method="GET", path=path, query=query)
        return LogLines(transport=self._transport, request=request, patience=self._stream_patience)


def _release(
    *,
    version: str | None = None,
    source: str | None = None,
    label: str | None = None,
    config: Configuration | None = None,
) -> dict[str, Any]:
    given = {"version": version, "source": source, "label": label}
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return body | (config.as_body() if config else {})
