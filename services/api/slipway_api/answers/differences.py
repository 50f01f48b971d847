"""What differs between two releases, field by field. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.version import Version

from slipway_api.answers.plan_views import Difference

_BY_NAME: Final = ("environment", "metadata", "node_selector", "size")


class Running(BaseModel):
    """A version and its configuration; without a version, its build has not ended."""

    model_config = ConfigDict(frozen=True)

    version: Version | None
    build: str | None = None
    config: ReleaseConfig


def differences(before: Running | None, after: Running | None) -> Sequence[Difference]:
    """Return the fields that differ, in the order in which a release is read.

    Beside a version that is still to be built, only the label of the other is told: what the build makes of
    its source is not known.
    """
    old, new = _fields(before), _fields(after)
    if before and after and (before.version is None) != (after.version is None):
        unknown = _of_version(before if before.version else after).keys() - {"version"}
        old, new = _without(old, unknown), _without(new, unknown)
    return [
        Difference(field=name, before=old.get(name), after=new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def _without(fields: Mapping[str, JsonValue], names: Collection[str]) -> Mapping[str, JsonValue]:
    return {name: value for name, value in fields.items() if name not in names}


def _fields(running: Running | None) -> Mapping[str, JsonValue]:
    if running is None:
        return {}
    return {**_of_version(running), **_of_config(running.config)}


def _of_version(running: Running) -> dict[str, JsonValue]:
    version = running.version
    if version is None:
        return {"build": running.build}
    fields: dict[str, JsonValue] = {"version": version.label, "version_id": version.id}
    for spec in version.endpoints:
        said = spec.model_dump(mode="json", exclude={"name", "image"}, exclude_defaults=True)
        fields[f"image.{spec.name}"] = spec.image
        fields |= {f"endpoint.{spec.name}.{name}": value for name, value in said.items()}
    fields |= {"python": version.python, "platform": version.platform, "base": version.base}
    return fields | {"source": version.source}


def _of_config(config: ReleaseConfig) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {}
    for name, value in config.model_dump(mode="json").items():
        if name in _BY_NAME and isinstance(value, dict):
            fields |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            fields[name] = value
    return fields
