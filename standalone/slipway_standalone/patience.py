"""How long a program may take to become ready, and what the user hears of it meanwhile.

A program that says something it has not said before moves on, however slow; one that only repeats itself
hangs. One that moves on without an end hangs too.
"""

from typing import Final

WITHOUT_NEWS_SECONDS: Final = 60.0
LONGEST_MINUTES: Final = 60
"""Tables are made anew of some 5,000 messages of the log a second: time for more than ten million."""
_FIRST_TOLD_SECONDS: Final = 10.0
_TOLD_EVERY_SECONDS: Final = 5.0


class Patience:
    """With one program, from `now` on; times are seconds of any one clock.

    Args:
        now: when it was started.
        longest: how long it may take although it moves on.
    """

    def __init__(self, *, now: float, longest: float) -> None:
        self._heard: set[str] = set()
        self._longest_at = now + longest
        self._over_at = now + WITHOUT_NEWS_SECONDS
        self._tell_at = now + _FIRST_TOLD_SECONDS
        self._told: set[str] = set()

    def hear(self, reason: str, *, now: float) -> bool:
        """Take in why it is not ready; return whether it is time to tell the user."""
        if reason not in self._heard:
            self._heard.add(reason)
            self._over_at = now + WITHOUT_NEWS_SECONDS
        if now < self._tell_at or reason in self._told:
            return False
        self._told.add(reason)
        self._tell_at = now + _TOLD_EVERY_SECONDS
        return True

    def is_over(self, now: float) -> bool:
        """Return whether it has said nothing new for too long."""
        return now > self._over_at

    def is_used_up(self, now: float) -> bool:
        """Return whether it takes too long, whatever it says."""
        return now > self._longest_at
