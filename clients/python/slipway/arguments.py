"""Reads what people write on a command line: sizes, durations, `NAME=VALUE` pairs."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from slipway.documents import SecretRef, Share

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
_SECONDS: Final[Mapping[str, float]] = {
    "ms": 0.001,
    "": 1.0,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_TO_THE_SECOND: Final = re.compile(r"\d\d:\d\d:\d\d(?!\.)")
_LAST_OF_SECOND: Final = timedelta(microseconds=999_999)
_REPLICA: Final = re.compile(r"[A-Za-z0-9-]+")
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")


def parse_bytes(text: str) -> int:
    """Return bytes; `512M` is decimal, `512Mi` is binary.

    Raises:
        typer.BadParameter: it is no amount of memory.
    """
    number, unit = _quantity(text)
    factor = _BYTES.get(unit.lower().removesuffix("b"))
    if number is None or factor is None or not 1 <= number * factor < math.inf:
        raise typer.BadParameter(f"{text!r} is no amount of memory; write it as 512Mi or 2Gi.")
    return round(number * factor)


def parse_seconds(text: str) -> float:
    """Return seconds; `30s`, `5m`, `1h`, `2d`, or a bare number.

    Raises:
        typer.BadParameter: it is no duration.
    """
    number, unit = _quantity(text)
    factor = _SECONDS.get(unit.lower())
    if not number or factor is None or math.isinf(number * factor):
        raise typer.BadParameter(f"{text!r} is no duration; write it as 30s or 5m.")
    return number * factor


def parse_grace(text: str) -> float:
    """Return seconds like `parse_seconds`, also none at all.

    Raises:
        typer.BadParameter: it is no duration.
    """
    number, unit = _quantity(text)
    return 0.0 if number == 0 and unit.lower() in _SECONDS else parse_seconds(text)


def parse_moment(text: str) -> datetime:
    """Return the time of `10m` ago, or an RFC 3339 time; one without a zone is of this machine.

    Raises:
        typer.BadParameter: it is no time.
    """
    try:
        # In UTC, where any time that there is can be told: of some the local one has no year.
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_seconds(text))
    except (typer.BadParameter, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time; write it as 10m or 2026-11-21T03:00:00Z.") from None


def parse_position(text: str) -> str:
    """Return a sequence of the log, or a time as the API takes it, which is read as by `parse_moment`.

    Times are shown to the second: one without a fraction stands for the end of its second, so that what
    happened at a time that was shown is seen.

    Raises:
        typer.BadParameter: it is neither.
    """
    if text.isascii() and text.isdigit():
        return text
    try:
        moment = parse_moment(text)
    except typer.BadParameter:
        raise typer.BadParameter(
            f"{text!r} is neither a sequence of the log nor a time; "
            "write it as 42, 10m or 2026-01-31T12:00:00Z."
        ) from None
    if _TO_THE_SECOND.search(text):
        moment = min(moment + _LAST_OF_SECOND, max(moment, datetime.now(UTC)))
    return moment.isoformat()


def parse_replica(text: str | None, release: int | None = None) -> tuple[int | None, str | None]:
    """Return the release and the replica of `0-1`, `0`, `7/0-1` or `7/0`, beside a release given apart.

    Raises:
        typer.BadParameter: it is no replica, or of another release.
    """
    if text is None:
        return release, None
    number, slash, replica = text.rpartition("/")
    if (slash and not number.isdecimal()) or not _REPLICA.fullmatch(replica):
        raise typer.BadParameter(
            f"{text!r} is no replica; write it as 0-1, or with its release as 7/0-1.", param_hint="--replica"
        )
    if slash and release is not None and int(number) != release:
        raise typer.BadParameter(f"{text!r} is not of release {release}.", param_hint="--replica")
    return (int(number) if slash else release), replica


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


def parse_environment(pairs: Sequence[str], secrets: Sequence[str]) -> "dict[str, str | SecretRef] | None":
    """Return variables with their values or the secrets that they take them from; None for none of them.

    Raises:
        typer.BadParameter: a text is no pair, or a name occurs twice.
    """
    from slipway.documents import SecretRef  # noqa: PLC0415 - models wait until a command runs

    literals = parse_pairs(pairs, option="--env") or {}
    named = parse_pairs(secrets, option="--secret") or {}
    if twice := sorted(literals.keys() & named.keys()):
        raise typer.BadParameter(f"{twice[0]} is given by --env too.", param_hint="--secret")
    references: dict[str, str | SecretRef] = {}
    for variable, text in named.items():
        secret, colon, version = text.partition(":")
        if not secret or (colon and not (version.isdigit() and int(version) > 0)):
            raise typer.BadParameter(
                f"{variable}={text} is not NAME=SECRET or NAME=SECRET:VERSION.", param_hint="--secret"
            )
        references[variable] = SecretRef(secret=secret, version=int(version) if colon else None)
    return {**literals, **references} or None


def set_by_platform(names: Iterable[str]) -> str | None:
    """Return what to know of variables that a replica does not get as they were given; None: nothing."""
    if "PATH" not in set(names):
        return None
    return (
        "PATH is put together by the platform: of yours, only folders that exist are kept, behind those of "
        "the image and of its Python."
    )


def parse_changes(texts: Sequence[str], *, option: str) -> dict[str, str | None]:
    """Return `NAME=VALUE` texts as they are, and `NAME-` as a name to be removed.

    Raises:
        typer.BadParameter: a text is neither, or a name occurs twice.
    """
    changes: dict[str, str | None] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        removed = not equals and text.endswith("-")
        name = text.removesuffix("-") if removed else name
        if not name or not (equals or removed):
            raise typer.BadParameter(f"{text!r} is neither NAME=VALUE nor NAME-.", param_hint=option)
        if name in changes:
            raise typer.BadParameter(f"{name} is given twice.", param_hint=option)
        changes[name] = None if removed else value
    return changes


def parse_shares(texts: Sequence[str]) -> "tuple[Share, ...]":
    """Return `4` or `3=90 4=10` as parts of an alias, of 100 together.

    Raises:
        typer.BadParameter: a text is no release, or no release with its percentage.
    """
    from slipway.documents import Share  # noqa: PLC0415 - models wait until a command runs

    shares: list[Share] = []
    for text in texts:
        number, equals, weight = text.partition("=")
        alone = len(texts) == 1 and not equals
        if not number.isdigit() or not (alone or weight.isdigit()):
            raise typer.BadParameter(
                f"{text!r} is no release; write one as 4, or several with their percentages as 3=90 4=10.",
                param_hint="RELEASES",
            )
        shares.append(Share(release=int(number), weight=100 if alone else int(weight)))
    if sum(share.weight for share in shares) != 100:  # noqa: PLR2004 - percent
        raise typer.BadParameter("The percentages must be 100 together.", param_hint="RELEASES")
    return tuple(shares)


def _quantity(text: str) -> tuple[float | None, str]:
    match = _QUANTITY.fullmatch(text.strip())
    return (float(match[1]), match[2]) if match else (None, "")
