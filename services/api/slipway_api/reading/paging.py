"""Keyset pages: a token holds the key of the last row shown, so a page never shifts under new rows."""

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from slipway_api.answers.views import Page
from slipway_api.refusing import problems

DEFAULT_PAGE_SIZE: Final = 50
LARGEST_PAGE: Final = 500
_BITS: Final = 64

R = TypeVar("R")
V = TypeVar("V")


def encode(key: Sequence[str | int]) -> str:
    """Return the token of a key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode(token: str | None, *kinds: type) -> Any:  # noqa: ANN401 - a tuple of these kinds
    """Return the key of a token: a tuple, or None without a token.

    Raises:
        InvalidRequestError: this token did not come from this list.
    """
    if token is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        key = None
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds) or not all(map(_kept, key)):
        raise problems.InvalidRequestError(
            "The page_token did not come from this list.",
            hint="Give the next_page_token of the page before, with the same filters.",
            errors=[{"pointer": "page_token", "detail": "not a token of this list", "code": "page_token"}],
        )
    return tuple(key)


def _kept(part: str | int) -> bool:
    """Return whether Postgres can hold it: text without NUL and half characters, integers of 64 bits."""
    return part.isprintable() if isinstance(part, str) else part.bit_length() < _BITS


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The part of a list that a client asks for."""

    size: int
    token: str | None

    def behind(self) -> int | None:
        """Return the position behind which the page begins, of a list ordered by one.

        Raises:
            InvalidRequestError: the token did not come from such a list.
        """
        key = decode(self.token, int)
        return key[0] if key else None


async def page(
    fetch: Callable[[int], Awaitable[Sequence[R]]],
    cut: Cut,
    *,
    key: Callable[[R], Sequence[str | int]],
    view: Callable[[R], V],
) -> Page[V]:
    """Return a page; one row more than it holds is fetched to know whether there is another."""
    rows = await fetch(cut.size + 1)
    shown = rows[: cut.size]
    token = encode(key(shown[-1])) if len(rows) > cut.size else None
    return Page(items=[view(row) for row in shown], next_page_token=token)
