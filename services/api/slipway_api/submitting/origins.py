"""Whose request is in hand: what every message that it causes says of its origin, and what became of those.

Known to the task of a request and to what that starts. A message that nobody asked for has no origin.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_contracts.envelope import Origin
from starlette.datastructures import Headers
from starlette.types import Scope

_LONGEST_AGENT: Final = 200
_LONGEST_ADDRESS: Final = 64
_request: Final[ContextVar[Scope | None]] = ContextVar("slipway_request", default=None)


class Given:
    """What a request gave to the log, by the ids of the messages."""

    def __init__(self) -> None:
        self._confirmed: dict[str, bool] = {}

    def note(self, message: str, *, confirmed: bool | None) -> None:
        """Take note that the log has a message, or may have it; None: surely not."""
        if confirmed is None:
            self._confirmed.pop(message, None)
        else:
            self._confirmed[message] = confirmed

    @property
    def any_confirmed(self) -> bool:
        """Whether the log has something of the request."""
        return any(self._confirmed.values())

    @property
    def unconfirmed(self) -> str | None:
        """The id of the last message of which nobody knows whether the log has it."""
        return next((each for each in reversed(self._confirmed) if not self._confirmed[each]), None)


@contextmanager
def request_in_hand(scope: Scope) -> Generator[None]:
    """Let `current_origin` tell of this request; its state has `request_id`, and `principal` once known."""
    scope["state"] |= {"given": Given(), "names": {}}
    token = _request.set(scope)
    try:
        yield
    finally:
        _request.reset(token)


def current_origin() -> Origin | None:
    """Return who asks, and from where; None outside of a request.

    The address is the connection's, or what a proxy that the api trusts says of it.
    """
    scope = _request.get()
    if scope is None:
        return None
    principal, client = scope["state"].get("principal"), scope.get("client")
    return Origin(
        user=principal.user if principal else None,
        address=_printable(client[0], _LONGEST_ADDRESS) if client else None,
        agent=_printable(Headers(scope=scope).get("user-agent", ""), _LONGEST_AGENT),
        request=scope["state"]["request_id"],
    )


def current_given() -> Given | None:
    """Return what the request in hand gave to the log; None outside of a request."""
    scope = _request.get()
    if scope is None:
        return None
    given: Given = scope["state"]["given"]
    return given


def current_names() -> Mapping[tuple[str, str], str]:
    """Return the names by which the request in hand called deployments, by group and id."""
    scope = _request.get()
    if scope is None:
        return {}
    names: Mapping[tuple[str, str], str] = scope["state"]["names"]
    return names


def note_owner(group: str, deployment: str) -> None:
    """Note what the request in hand is about, where its path names neither; `_` stands for none."""
    scope = _request.get()
    if scope is not None:
        scope["state"]["owner"] = group, deployment


@contextmanager
def confirming(message: str) -> Generator[None]:
    """Note that the request in hand may have done what this message tells of, unless an error denies it.

    For a change outside of the log, of which the log is told once it is made.
    """
    given = current_given()
    if given is None:
        yield
        return
    given.note(message, confirmed=False)
    try:
        yield
    except LogUnavailableError:
        raise
    except SlipwayError:
        given.note(message, confirmed=None)
        raise


def _printable(text: str, longest: int) -> str | None:
    """Return what a header of the log takes; None for nothing."""
    kept = "".join(letter if " " <= letter <= "~" else "?" for letter in text[:longest]).strip()
    return kept or None
