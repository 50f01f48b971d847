"""Says where a rollback went, where it came from, and how to go further; pure."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from slipway.comparison_documents import HistoryEntry
from slipway.documents import LIVE

_SERVES = "LIVE"
_EVER = datetime.max.replace(tzinfo=UTC)


def spoken_return(history: Iterable[HistoryEntry], release: int | None, *, again: Callable[..., str]) -> str:
    """Return the lines that end a rollback.

    Args:
        history: the releases of the deployment.
        release: the one that the rollback made.
        again: makes a command line of `rollback` with these further words.
    """
    listed = list(history)
    made = next((each for each in listed if each.release == release), None)
    if made is None or made.copy_of is None:
        return ""
    served = [
        each for each in listed if each is not made and each.alias == made.alias and each.live_at is not None
    ]
    earlier = [each for each in served if each.live_at and each.live_at < (made.live_at or _EVER)]
    # What ended before the rollback was asked for did not serve then; what still serves, serves elsewhere.
    earlier = [each for each in earlier if (each.ended_at or _EVER) >= made.created_at]
    earlier = [each for each in earlier if each.outcome != _SERVES] or earlier
    lines = [f"Release {made.release} runs now, an exact copy of release {made.copy_of}."]
    alias = () if made.alias == LIVE else ("--alias", made.alias)
    if earlier:
        came = max(earlier, key=lambda each: each.live_at or _EVER)
        lines[0] += f" Before it, release {came.release} did."
        lines.append(f"To undo this: {again(*alias)}")
    further = [each.release for each in served if each.release < made.copy_of and each.restorable]
    if further:
        lines.append(f"To go further back: {again('--to', str(max(further)), *alias)}")
    return "\n".join(lines)
