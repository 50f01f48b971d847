"""Small values as people read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_KILO: Final = 1000.0
_TELLING: Final = (
    *("release", "version", "cause", "step", "build", "operation", "by_operation"),
    *("endpoint", "replica", "state", "exit_code", "signal", "target", "engine", "wanted"),
    *("failure", "service", "error", "seconds", "detail", "reason", "from", "to", "label", "by"),
)
_UNITS: Final = ("B", "kB", "MB", "GB")


def spoken_size(size: float) -> str:
    """Return bytes with a decimal unit."""
    for unit in _UNITS[:-1]:
        if size < _KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:.1f} {_UNITS[-1]}"


def spoken_time(time: datetime | None) -> str:
    """Return a time in the zone of this machine, to the second; nothing for None."""
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def spoken_facts(data: Mapping[str, Any]) -> str:
    """Return what a message says, as `name=value`: of a version its label, of a failure its reason."""
    facts = {name: data[name] for name in _TELLING if data.get(name) is not None and data[name] != ""}
    for name, member in (("version", "label"), ("failure", "reason")):
        if isinstance(whole := facts.get(name), dict):
            facts[name] = whole.get(member)
    return " ".join(f"{name}={value}" for name, value in facts.items())
