"""A command that a user may send, look at first, or make depend on what was seen; it knows no route."""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Final

from slipway.comparison_documents import Plan
from slipway.documents import Accepted, parsed


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Under which conditions a command is sent.

    Attributes:
        dry_run: check everything and answer the plan; do nothing.
        if_match: ETag of the deployment; a command since then makes the API refuse.
    """

    dry_run: bool = False
    if_match: str | None = None


Perform = Callable[[Terms], Awaitable[Any]]
AT_ONCE: Final = Terms()


class Mutation:
    """A command that was not sent yet: await it to send it; each await sends it anew.

    Args:
        perform: sends it under these terms and returns the JSON of the answer.
        terms: what is asked for beside the command itself.
    """

    def __init__(self, perform: Perform, terms: Terms = AT_ONCE) -> None:
        self._perform = perform
        self._terms = terms

    def __await__(self) -> Generator[Any, Any, Accepted]:
        """Send it; it is in the log once this returns."""
        return self._accepted().__await__()

    def only_if(self, etag: str | None) -> "Mutation":
        """Return the same, refused if the deployment has had a command since it had this ETag."""
        return Mutation(self._perform, replace(self._terms, if_match=etag))

    async def plan(self) -> Plan:
        """Return what it would do; nothing is changed."""
        return parsed(Plan, await self._perform(replace(self._terms, dry_run=True)))

    async def _accepted(self) -> Accepted:
        return parsed(Accepted, await self._perform(self._terms))
