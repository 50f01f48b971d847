"""What deployments are found by: the words of texts, and pairs of metadata. Pure."""

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_LONGEST: Final = 64
_MOST: Final = 1_000
_MOST_ASKED: Final = 8
_LONGEST_PAIR: Final = 200


def words_of(*texts: str) -> str:
    """Return the different words of these texts, joined by spaces: letters and digits, case folded.

    Words are cut at 64 characters, and at most the first 1,000 count.
    """
    return " ".join(_words(texts)[:_MOST])


def prefixes(asked: str) -> list[str]:
    """Return, for each word asked for, the `tsquery` that finds what has a word that begins with it.

    At most 8 words count.
    """
    return [f"'{word}':*" for word in _words([asked])[:_MOST_ASKED]]


def pair_of(key: str, value: str) -> str:
    """Return a pair of metadata as it is listed by; different pairs may rarely have the same."""
    return f"{key}={value}"[:_LONGEST_PAIR]


def _words(texts: list[str] | tuple[str, ...]) -> list[str]:
    found = (
        word[:_LONGEST]
        for text in texts
        for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    )
    return list(dict.fromkeys(found))
