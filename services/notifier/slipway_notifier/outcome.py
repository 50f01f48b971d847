"""What can come of an attempt to deliver, as types."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal["refused", "timeout", "unreachable", "forbidden", "unsigned"]


class DeliveryError(Exception):
    """An attempt did not end with an answer.

    Args:
        kind: bounded, for metrics.
        problem: the fact, for who looks after the receiver.
    """

    def __init__(self, kind: Kind, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


@dataclass(frozen=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True)
class Gone:
    """The receiver wants nothing more, ever."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """It must be tried again.

    Attributes:
        kind: bounded, for metrics.
        problem: the fact, for who looks after the receiver.
        retry_after: the receiver asked not to be tried earlier.
    """

    kind: Kind
    problem: str
    retry_after: timedelta | None = None


Outcome = Delivered | Gone | Failed
