"""Takes credentials out of lines that users read.

Knows the values of variables and the form of URLs, nothing else: it finds no credential by its look.
"""

import re
from collections.abc import Mapping
from typing import Final

_MASK: Final = "****"
_SECRET_NAME: Final = re.compile(r"PASSWORD|TOKEN|SECRET", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s]+@")


def mask_urls(text: str) -> str:
    """Return the text with `****` for user and password in each URL."""
    return _USER_INFO.sub(f"{_MASK}@", text)


class Mask:
    """Masks the credentials in these variables wherever they appear, and those in URLs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        values = {value for name, value in environment.items() if value and _SECRET_NAME.search(name)}
        # The longest first: one value may begin another.
        ordered = sorted(values, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Return the text with `****` for each credential."""
        masked = mask_urls(text)
        return self._values.sub(_MASK, masked) if self._values else masked
