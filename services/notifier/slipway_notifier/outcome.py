"""What can come of an attempt to deliver, as types."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Kind = Literal["refused", "timeout", "unreachable", "forbidden", "unsigned"]
Fault = Literal["receiver", "ours", "unclear"]
"""Whose doing a failure is; unclear: a receiver that is not there looks like a lost network of ours."""


class DeliveryError(Exception):
    """An attempt did not end with an answer.

    Args:
        kind: bounded, for metrics.
        problem: the fact, without host, address or URL: all who may read the group's events read it.
        fault: whose doing it is.
    """

    def __init__(self, kind: Kind, problem: str, *, fault: Fault = "receiver") -> None:
        super().__init__(problem)
        self.kind = kind
        self.fault = fault


@dataclass(frozen=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True)
class Meaningless:
    """There is nothing to deliver: the message says nothing in the webhook's format."""


@dataclass(frozen=True)
class Gone:
    """The receiver wants nothing more, ever."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """It must be tried again.

    Attributes:
        kind: bounded, for metrics.
        problem: the fact, for who looks after the receiver.
        fault: whose doing it is; only the receiver's own counts against it.
        retry_after: the receiver asked not to be tried earlier.
    """

    kind: Kind
    problem: str
    fault: Fault = "receiver"
    retry_after: timedelta | None = None


Outcome = Delivered | Meaningless | Gone | Failed
