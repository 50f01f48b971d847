"""Small values as people read them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from slipway.documents import Alias, AliasShare

_KILO: Final = 1000.0
_KIBI: Final = 1024.0
_TELLING: Final = (
    *("release", "version", "cause", "step", "build", "operation", "by_operation"),
    *("endpoint", "replica", "state", "exit_code", "signal", "target", "engine", "wanted"),
    *("failure", "service", "error", "seconds", "detail", "reason", "from", "to", "label", "by"),
)
_UNITS: Final = ("B", "kB", "MB", "GB")


def counted(number: int, noun: str) -> str:
    """Return how many there are of what has a regular plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def spoken_size(size: float) -> str:
    """Return bytes with a decimal unit."""
    for unit in _UNITS[:-1]:
        if size < _KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:.1f} {_UNITS[-1]}"


def spoken_binary(size: float) -> str:
    """Return bytes in the largest binary unit that divides them well, as they are given to options."""
    for unit in ("", "Ki", "Mi", "Gi"):
        if size < _KIBI:
            return f"{size:.1f}".removesuffix(".0") + unit
        size /= _KIBI
    return f"{size:.1f}".removesuffix(".0") + "Ti"


def spoken_time(time: datetime | None) -> str:
    """Return a time in UTC to the second, as options take it; nothing for None."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def spoken_shares(alias: "Alias") -> str:
    """Return the releases of an alias: one by its number, several with their percentages."""
    told = _told(alias.shares) or "nothing"
    return told if alias.moving_to is None else f"{told} -> {_told(alias.moving_to) or 'nothing'}"


def _told(shares: "Sequence[AliasShare]") -> str:
    if len(shares) == 1:
        return str(shares[0].release)
    return " ".join(f"{each.release}={each.weight}" for each in shares)


def spoken_facts(data: Mapping[str, Any]) -> str:
    """Return what a message says, as `name=value`: of a version its label, of a failure its reason."""
    facts = {name: data[name] for name in _TELLING if data.get(name) is not None and data[name] != ""}
    for name, member in (("version", "label"), ("failure", "reason")):
        if isinstance(whole := facts.get(name), dict):
            facts[name] = whole.get(member)
    return " ".join(f"{name}={value}" for name, value in facts.items())
