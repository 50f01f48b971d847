"""What the log says of one build: a fold of its events, and the only source of its state."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from slipway_chassis.stored import Stored
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildStarted, BuildSucceeded
from slipway_contracts.lifecycle import TERMINAL_BUILDS, BuildState


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """The present of one build.

    Attributes:
        sequence: last position among the build events of the whole deployment: what a decision expects.
        runs: how often a builder began it.
        owner: id of the last `build.started`; whoever wrote an older one has been replaced.
        ended_by: id of the command that ended it.
    """

    sequence: int = 0
    state: BuildState = BuildState.QUEUED
    runs: int = 0
    owner: str | None = None
    ended_by: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can change it any more."""
        return self.state in TERMINAL_BUILDS

    @classmethod
    def fold(cls, build: str, events: Iterable[Stored], *, sequence: int) -> Self:
        """Return what these events, in their order, make of the build; events of other builds only count."""
        record = cls(sequence=sequence)
        for stored in events:
            record = replace(record.after(build, stored), sequence=stored.sequence)
        return record

    def after(self, build: str, stored: Stored) -> Self:
        """Return the record after one more event; one that cannot be read changes nothing."""
        message = stored.readable
        if getattr(message, "build", None) != build or self.ended:
            return self
        match message:
            case BuildStarted():
                return replace(self, state=BuildState.RUNNING, runs=self.runs + 1, owner=stored.envelope.id)
            case BuildSucceeded():
                state = BuildState.SUCCEEDED
            case BuildFailed():
                state = BuildState.FAILED
            case BuildCanceled():
                state = BuildState.CANCELED
            case _:
                return self
        return replace(self, state=state, ended_by=stored.envelope.causation_id)
