"""What can go wrong between a client and the platform, as types; how it is shown is the CLI's matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


class SlipwayError(Exception):
    """Root of everything this package raises on purpose; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInputError(SlipwayError):
    """An argument cannot be used; nothing was sent."""


class NotConnectedError(SlipwayError):
    """No URL or no key is known; nothing was sent."""


class UnreachableError(SlipwayError):
    """The API gave no answer within the patience of the client; a mutation may or may not have arrived."""


class ProtocolError(SlipwayError):
    """An answer is not what the API of this platform sends: another server, or another version."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An RFC 9457 problem document; `document` holds every member as it came."""

    status: int
    title: str
    detail: str = ""
    reason: str = ""
    hint: str = ""
    instance: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, document: Mapping[str, Any]) -> Self:
        """Read the document of an answer with this status; absent members become empty."""
        names = ("title", "detail", "reason", "hint", "instance")
        given = {name: str(document[name]) for name in names if document.get(name)}
        return cls(status=status, document=document, **({"title": f"HTTP {status}"} | given))


class ProblemError(SlipwayError):
    """The API refused: `problem` says why, with the stable `reason`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title, hint=problem.hint)
        self.problem = problem

    @property
    def fields(self) -> Sequence[str]:
        """What is wrong with which field of the request, where the API says so."""
        errors = self.problem.document.get("errors")
        listed = errors if isinstance(errors, list) else []
        return [
            f"{each.get('pointer', '')}: {each.get('detail', '')}"
            for each in listed
            if isinstance(each, dict)
        ]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def reason(self) -> str:
        """The stable code of the cause."""
        return self.problem.reason
