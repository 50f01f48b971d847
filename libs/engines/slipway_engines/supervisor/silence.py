"""Decides what it means that a server which was ready leaves a question unanswered. Pure.

Silence alone is no sign of a server that hangs: one that handles one request at a time is silent for as long
as it is busy, and may be for as long as its endpoint's timeout. Only where nobody waits for an answer, or
gave up on one lately, is silence suspicious soon.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from slipway_engines.supervisor.callers import Waiting

UNUSUAL_SECONDS: Final = 5.0
CONFIRMED_SECONDS: Final = 5.0


class Verdict(StrEnum):
    """What to do about a silence."""

    WAIT = "wait"
    ASK_AGAIN = "ask-again"
    HANGS = "hangs"


def verdict(silent_seconds: Sequence[float], waiting: Waiting, patience_seconds: float) -> Verdict:
    """Judge a question that has no answer.

    It is asked a second time before it counts: the first may have met one worker of several, or got lost.

    Args:
        silent_seconds: since when each copy of the question waits, the first one first.
        waiting: who else waits for the server.
        patience_seconds: the longest time that the server may take for an answer.
    """
    enough = max(patience_seconds, UNUSUAL_SECONDS) if waiting.possible else UNUSUAL_SECONDS
    if silent_seconds[0] < enough:
        return Verdict.WAIT
    if len(silent_seconds) == 1:
        return Verdict.ASK_AGAIN
    return Verdict.HANGS if silent_seconds[1] >= CONFIRMED_SECONDS else Verdict.WAIT
