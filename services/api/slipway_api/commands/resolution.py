"""Complete configurations of releases, from what a request says and what ran before."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import Size

from slipway_api.bodies.release_bodies import DeployBody, RedeployBody, UpdateBody
from slipway_api.bodies.requests import SizeBody
from slipway_api.installation.configurations import Configurations
from slipway_api.refusing import refusals

_PLAIN: Final = ("target", "replicas", "strategy", "metadata", "deadline_seconds")
_DEFAULT_SIZE: Final = Size()


class Resolution:
    """Names every version of a secret and the size of every instance type.

    Args:
        configurations: knows them.
    """

    def __init__(self, *, configurations: Configurations) -> None:
        self._configurations = configurations

    async def whole(self, group: str, body: DeployBody) -> ReleaseConfig:
        """Return the configuration of a release of its own.

        Raises:
            InstanceTypeNotFoundError: there is none of this name.
            SecretNotFoundError: the group has no such secret, or no such version of it.
        """
        changes = {name: getattr(body, name) for name in (*_PLAIN, "description")}
        return ReleaseConfig.model_validate(changes | await self._resolved(group, body))

    async def changed(self, group: str, base: ReleaseConfig, body: RedeployBody) -> ReleaseConfig:
        """Return a configuration with what the body gives in the place of what it had.

        Raises:
            InstanceTypeNotFoundError: there is none of this name.
            SecretNotFoundError: the group has no such secret, or no such version of it.
        """
        given = {name: getattr(body, name) for name in _PLAIN}
        changes = {name: value for name, value in given.items() if value is not None}
        changes |= {"description": body.description} | await self._resolved(group, body)
        return ReleaseConfig.model_validate(dict(base) | changes)

    async def patched(self, group: str, base: ReleaseConfig, body: UpdateBody) -> ReleaseConfig:
        """Return a configuration after a merge patch.

        Raises:
            InstanceTypeNotFoundError: there is none of this name.
            SecretNotFoundError: the group has no such secret, or no such version of it.
            InvalidRequestError: environment or metadata together are too large.
        """
        given = body.model_fields_set
        plain = [name for name in (*_PLAIN, "description") if name in given and name != "metadata"]
        values = dict(base) | {name: getattr(body, name) for name in plain}
        changes = {name: value for name, value in values.items() if value is not None}
        if "metadata" in given:
            changes["metadata"] = _patched(base.metadata, body.metadata)
        if "description" not in given:
            changes["description"] = ""
        resolved = await self._resolved(group, body, base.size)
        if "environment" in given:
            removed = {name: None for name, value in (body.environment or {}).items() if value is None}
            added = removed | dict(resolved.pop("environment", {}))
            resolved["environment"] = _patched(base.environment, None if body.environment is None else added)
        if "image_pull_secret" in given and body.image_pull_secret is None:
            resolved["image_pull_secret"] = None
        if not {"size", "instance_type"}.isdisjoint(given) and (body.size, body.instance_type) == (
            None,
            None,
        ):
            resolved |= {"size": Size(), "instance_type": None, "node_selector": {}}
        try:
            return ReleaseConfig.model_validate(changes | resolved)
        except ValidationError as error:
            raise refusals.broken_together(error) from error

    async def _resolved(
        self, group: str, body: DeployBody | RedeployBody | UpdateBody, base: Size = _DEFAULT_SIZE
    ) -> dict[str, Any]:
        """Return the fields that name something, as far as the body gives them."""
        resolved: dict[str, Any] = {}
        if body.instance_type is not None:
            found = await self._configurations.instance_type(body.instance_type)
            resolved |= {
                "instance_type": found.name,
                "size": found.size,
                "node_selector": found.node_selector,
            }
        elif body.size is not None:
            size = body.size.size() if isinstance(body.size, SizeBody) else body.size.applied_to(base)
            resolved |= {"instance_type": None, "size": size, "node_selector": {}}
        if body.environment is not None:
            given = {name: value for name, value in body.environment.items() if value is not None}
            resolved["environment"] = await self._configurations.resolve_environment(group, given)
        if body.image_pull_secret is not None:
            resolved["image_pull_secret"] = await self._configurations.secret(group, body.image_pull_secret)
        return resolved


def _patched(values: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    if patch is None:
        return {}
    kept = {name: value for name, value in values.items() if name not in patch}
    return kept | {name: value for name, value in patch.items() if value is not None}
