"""What a caller wants of the log and may see of it."""

from dataclasses import dataclass
from typing import Final

from slipway_chassis.feed import Entry, Interest, is_wanted

FOR_ADMINS: Final = frozenset({"request.refused", "webhook.configured", "webhook.pinged", "webhook.answered"})
"""Types of any version: they name callers, URLs that may hold a secret, what a receiver did at its test."""
PUBLIC: Final = ("target",)
"""Begin of the types that whoever has a key may see."""


@dataclass(frozen=True, kw_only=True)
class PermittedInterest(Interest):
    """What a reader wants and may see.

    Attributes:
        groups: those whose messages it may see; None: all, and what belongs to none.
        audits: it may see what only admins may.
        among: of these types only the ones that are listed here; None: all.
    """

    groups: frozenset[str] | None = None
    audits: bool = False
    among: frozenset[str] | None = None

    def covers(self, entry: Entry) -> bool:
        """Say whether the reader gets this message."""
        if self.groups is not None and entry.owner[0] not in self.groups and not _public(entry):
            return False
        if is_wanted(entry.type, FOR_ADMINS) and not self.audits:
            return False
        if self.among is not None and entry.type not in self.among:
            return False
        return super().covers(entry)


def _public(entry: Entry) -> bool:
    return is_wanted(entry.type, PUBLIC)
