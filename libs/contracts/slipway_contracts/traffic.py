"""Aliases: names that point at releases by weight, and the moves that change where they point."""

from collections.abc import Iterable
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from slipway_contracts.names import AliasName, BuildId, Label, OperationId, TargetName, VersionId
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.version import Version

LIVE_ALIAS: Final = "live"
"""The alias behind the deployment's own URL."""


FULL_WEIGHT: Final = 100


class TrafficShare(BaseModel):
    """The part of the requests that one release gets."""

    model_config = ConfigDict(frozen=True)

    release: int = Field(ge=1)
    weight: int = Field(ge=1, le=100)


class AliasRoute(BaseModel):
    """An alias and the releases that share its requests."""

    model_config = ConfigDict(frozen=True)

    alias: AliasName
    shares: tuple[TrafficShare, ...] = Field(min_length=1)


class Serving(BaseModel):
    """What most requests of an alias go to, and what they went to before."""

    model_config = ConfigDict(frozen=True)

    alias: AliasName
    release: int = Field(ge=1)
    version: VersionId
    label: Label
    target: TargetName
    before: VersionId | None = Field(default=None, description="None: nothing served this alias.")
    older: bool = Field(
        default=False,
        description="It goes back: the release is older than the one before; of a copy its original counts.",
    )


class RestoredRelease(BaseModel):
    """A release that ran before, with all that is needed to start it again under its number."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=1)
    version: Version
    config: ReleaseConfig


class ReleaseRequest(BaseModel):
    """What to run: a version that exists, or the one that a running build will make."""

    model_config = ConfigDict(frozen=True)

    version: Version | None = None
    build: BuildId | None = Field(default=None, description="Wait for this build and run its version.")
    config: ReleaseConfig = ReleaseConfig()
    alias: AliasName = Field(default=LIVE_ALIAS, description="Moves to the release once that is ready.")
    weight: int = Field(default=100, ge=1, le=100, description="The release's part of the alias.")
    beside: tuple[TrafficShare, ...] = Field(
        default=(), description="Releases that have the other parts; all weights together are 100."
    )
    restored: tuple[RestoredRelease, ...] = Field(
        default=(), description="Of the releases beside, those that may not run."
    )
    copy_of: int | None = Field(default=None, ge=1, description="Release of which this is an exact copy.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.version is None) == (self.build is None):
            raise ValueError("exactly one of version and build must be given")
        if self.weight + sum(share.weight for share in self.beside) != FULL_WEIGHT:
            raise ValueError(f"the weights of an alias must be {FULL_WEIGHT} together")
        return self


class Move(BaseModel):
    """An alias on its way to other releases: it waits until all of them are ready, then for the gateways.

    An alias has at most one move that waits for the gateways (`shifted`) and one behind it; a newer command
    for the alias supersedes what is not shifted yet.
    """

    model_config = ConfigDict(frozen=True)

    alias: AliasName
    shares: tuple[TrafficShare, ...] = Field(description="What it will have; empty: the alias goes.")
    operation: OperationId = Field(description="One operation may own several moves; it ends with the last.")
    created_at: AwareDatetime
    by: str
    traceparent: str | None = None
    deadline_at: AwareDatetime | None = Field(default=None, description="End of the wait it is in.")
    shifted: bool = Field(default=False, description="The gateways were told; it waits for them.")
    before: tuple[TrafficShare, ...] = Field(
        default=(), description="What the alias had when it was shifted: where it goes back to."
    )
    operation_ended: bool = Field(
        default=False, description="Another move of its operation failed, which ended with that."
    )


def most_of(shares: Iterable[TrafficShare]) -> int | None:
    """Return the number of the release with most requests, of equal ones the newest; None: there is none."""
    return max(((share.weight, share.release) for share in shares), default=(0, None))[1]


def releases_of(shares: Iterable[TrafficShare]) -> frozenset[int]:
    """Return the numbers of the releases that have a part."""
    return frozenset(share.release for share in shares)
