"""The commands of deployments: each method returns a Mutation, which is sent when it is awaited."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.documents import LIVE, Alias, Configuration, Release, Share, Size
from slipway.errors import ProblemError
from slipway.exchange import Exchange
from slipway.mutation import Mutation, Terms

_OTHERWISE: Final = frozenset({"DeploymentExists", "NameTaken", "DeploymentNotFound", "DeploymentPurging"})
"""Refusals of a creation or a deploy after which the other of the two may be right."""


class DeploymentCommands:
    """What a user can ask of the deployments of one group."""

    _api: Exchange

    def create(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Mutation:
        """Create a deployment from a version (label or id), or from the digest of an uploaded source."""
        body = {"id": deployment} | _release(version=version, source=source, label=label, config=config)
        body |= {"settings": dict(settings)} if settings else {}
        return self._api.command("POST", self._api.path("deployments"), body)

    def deploy(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
    ) -> Mutation:
        """Make a release of another version; what `config` leaves open takes its default."""
        body = _release(version=version, source=source, label=label, config=config)
        return self._api.command("POST", self._of(deployment, "deploy"), body)

    def put(
        self,
        deployment: str,
        *,
        version: str | None = None,
        source: str | None = None,
        label: str | None = None,
        config: Configuration | None = None,
    ) -> Mutation:
        """Create the deployment or, where one has this id or name, deploy to it.

        It is looked up first, so that the usual case leaves no refusal in the audit. What is read may be
        older than the log: where that refuses, the other of the two is asked for.
        """
        body = _release(version=version, source=source, label=label, config=config)
        # What is created gets all requests, and has no ETag yet.
        may_be_new = config is None or config.weight in {None, 100}

        async def perform(terms: Terms) -> Any:  # noqa: ANN401 - any JSON
            creation = (self._api.path("deployments"), {"id": deployment} | body)
            release = (self._of(deployment, "deploy"), body)
            if not may_be_new or terms.if_match is not None:
                return await self._api.perform("POST", release[0], terms, body=release[1])
            is_there = await self._api.is_there(self._of(deployment))
            (path, wanted), other = (release, creation) if is_there else (creation, release)
            try:
                return await self._api.perform("POST", path, terms, body=wanted)
            except ProblemError as error:
                if error.reason not in _OTHERWISE:
                    raise
                first = error
            try:
                return await self._api.perform("POST", other[0], terms, body=other[1])
            except ProblemError as error:
                # It is a former name, which leads to nobody but the routes, for a while.
                if first.reason == "NameTaken" and error.reason == "DeploymentNotFound":
                    raise first from error
                raise

        return Mutation(perform)

    def redeploy(
        self, deployment: str, *, version: str | None = None, config: Configuration | None = None
    ) -> Mutation:
        """Make a release that differs from the one that was live last only in what is given.

        Environment and metadata are replaced as a whole; `update` changes single ones.
        """

        async def perform(terms: Terms) -> Any:  # noqa: ANN401 - any JSON
            wanted = config
            if config is not None and config.size is not None and config.instance_type is None:
                size = await self._whole(deployment, config.size, config.alias or LIVE)
                wanted = config.model_copy(update={"size": size})
            body = _release(version=version, config=wanted)
            return await self._api.perform("POST", self._of(deployment, "redeploy"), terms, body=body)

        return Mutation(perform)

    def update(self, deployment: str, changes: Mapping[str, Any]) -> Mutation:
        """Make a release by a merge patch on what was live last: None removes, objects are merged."""
        return self._api.command("POST", self._of(deployment, "update"), changes)

    def restart(
        self, deployment: str, *, alias: str | None = None, description: str | None = None
    ) -> Mutation:
        """Replace all replicas by new ones of the same release configuration."""
        body = _given({"alias": alias, "description": description})
        return self._api.command("POST", self._of(deployment, "restart"), body)

    def scale(
        self, deployment: str, replicas: int, *, alias: str | None = None, description: str | None = None
    ) -> Mutation:
        """Run another number of replicas; healthy ones stay."""
        body = _given({"replicas": replicas, "alias": alias, "description": description})
        return self._api.command("POST", self._of(deployment, "scale"), body)

    def rollback(
        self,
        deployment: str,
        *,
        to: int | None = None,
        alias: str | None = None,
        description: str | None = None,
    ) -> Mutation:
        """Make a release that is an exact copy of an earlier one; None: of the one that served before."""
        body = _given({"to": to, "alias": alias, "description": description})
        return self._api.command("POST", self._of(deployment, "rollback"), body)

    def stop(self, deployment: str) -> Mutation:
        """Take a deployment off its route and end its replicas."""
        return self._api.command("POST", self._of(deployment, "stop"))

    def start(self, deployment: str) -> Mutation:
        """Run a stopped deployment again, as it was."""
        return self._api.command("POST", self._of(deployment, "start"))

    def cancel(self, deployment: str) -> Mutation:
        """End the unfinished release; what served before still serves."""
        return self._api.command("POST", self._of(deployment, "cancel"))

    def delete(self, deployment: str, *, level: str | None = None) -> Mutation:
        """Stop a deployment and take it out of every list; level `unload` also removes its images."""
        query = {} if level is None else {"level": level}
        return self._api.command("DELETE", self._of(deployment), query=query)

    def undelete(self, deployment: str) -> Mutation:
        """Bring a deleted deployment back, stopped."""
        return self._api.command("POST", self._of(deployment, "undelete"))

    def purge(self, deployment: str) -> Mutation:
        """Delete a deployment for good, its images and history too."""
        return self._api.command("POST", self._of(deployment, "purge"))

    def configure(self, deployment: str, changes: Mapping[str, Any]) -> Mutation:
        """Change settings of the deployment as a whole; no release is made, no replica touched."""
        return self._api.command("PATCH", self._of(deployment), changes)

    def set_alias(
        self,
        deployment: str,
        alias: str,
        *,
        shares: Sequence[Share] = (),
        release: int | None = None,
        version: str | None = None,
    ) -> Mutation:
        """Let an alias point at releases by weight, or at one release, or at the newest of a version."""
        listed = [share.model_dump() for share in shares] or None
        body = _given({"shares": listed, "release": release, "version": version})
        return self._api.command("PUT", self._of(deployment, "aliases", alias), body)

    def remove_alias(self, deployment: str, alias: str) -> Mutation:
        """Take an alias away; its releases retire where nothing else names them."""
        return self._api.command("DELETE", self._of(deployment, "aliases", alias))

    def pin(self, deployment: str, release: int) -> Mutation:
        """Keep a release running although no alias names it."""
        return self._api.command("PUT", self._of(deployment, "releases", str(release), "pin"))

    def unpin(self, deployment: str, release: int) -> Mutation:
        """Let a pinned release retire once no alias names it."""
        return self._api.command("DELETE", self._of(deployment, "releases", str(release), "pin"))

    def build(self, deployment: str, *, source: str, label: str | None = None) -> Mutation:
        """Make a version from the digest of an uploaded source, and deploy nothing."""
        body = _release(source=source, label=label)
        return self._api.command("POST", self._of(deployment, "builds"), body)

    def cancel_build(self, deployment: str, build: str) -> Mutation:
        """End a build at once."""
        return self._api.command("POST", self._of(deployment, "builds", build, "cancel"))

    async def _whole(self, deployment: str, size: Size, alias: str) -> Size:
        """Return the size with what it leaves open taken from the release that serves the alias."""
        found = self._api.pages(Alias, self._of(deployment, "aliases"))
        shares = {each.alias: each.shares async for each in found}
        serving = shares.get(alias) or shares.get(LIVE)
        if not serving:
            return size
        number = max((share.weight, share.release) for share in serving)[1]
        release = await self._api.get(Release, self._of(deployment, "releases", str(number)))
        return release.config.size.model_copy(update=size.model_dump(exclude_none=True))

    def _of(self, deployment: str, *parts: str) -> str:
        return self._api.path("deployments", deployment, *parts)


def _release(
    *,
    version: str | None = None,
    source: str | None = None,
    label: str | None = None,
    config: Configuration | None = None,
) -> dict[str, Any]:
    body = _given({"version": version, "source": source, "label": label})
    return body | (config.as_body() if config else {})


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
