"""Reads what people write on a command line: sizes, durations, `NAME=VALUE` pairs."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

_BYTES: Final[Mapping[str, float]] = {
    "": 1,
    "k": 1e3,
    "m": 1e6,
    "g": 1e9,
    "t": 1e12,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")


def parse_bytes(text: str) -> int:
    """Return bytes; `512M` is decimal, `512Mi` is binary.

    Raises:
        typer.BadParameter: it is no amount of memory.
    """
    number, unit = _quantity(text)
    factor = _BYTES.get(unit.lower().removesuffix("b"))
    if number is None or factor is None or number * factor < 1:
        raise typer.BadParameter(f"{text!r} is no amount of memory; write it as 512Mi or 2Gi.")
    return round(number * factor)


def parse_seconds(text: str) -> float:
    """Return seconds; `30s`, `5m`, `1h`, or a bare number.

    Raises:
        typer.BadParameter: it is no duration.
    """
    number, unit = _quantity(text)
    factor = _SECONDS.get(unit.lower())
    if not number or factor is None:
        raise typer.BadParameter(f"{text!r} is no duration; write it as 30s or 5m.")
    return number * factor


def parse_moment(text: str) -> datetime:
    """Return the time of `10m` ago, or an RFC 3339 time; one without a zone is of this machine.

    Raises:
        typer.BadParameter: it is no time.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_seconds(text))
    except typer.BadParameter:
        raise typer.BadParameter(f"{text!r} is no time; write it as 10m or 2026-11-21T03:00:00Z.") from None


def parse_pairs(texts: Sequence[str], *, option: str) -> dict[str, str] | None:
    """Return `NAME=VALUE` texts as a mapping; None for none of them.

    Raises:
        typer.BadParameter: one has no `=`, or a name occurs twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=option)
        if name in pairs:
            raise typer.BadParameter(f"{name} is given twice.", param_hint=option)
        pairs[name] = value
    return pairs or None


def _quantity(text: str) -> tuple[float | None, str]:
    match = _QUANTITY.fullmatch(text.strip())
    return (float(match[1]), match[2]) if match else (None, "")
