"""What somebody may have meant who gave a name that there is not."""

import difflib
from collections.abc import Iterable


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name most like the one given, upper and lower case being alike; None: none is close."""
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(given.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def did_you_mean(name: str | None) -> str:
    """Return the end of a sentence that refuses what was given."""
    return f"; did you mean {name}?" if name else ""
