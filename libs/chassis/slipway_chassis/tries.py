"""How often a message was tried in vain, since when, and what came of it: what giving it up rests on.

The server counts deliveries, and knows neither which of them reached a handler nor when the first did. So
this process remembers its own tries, and from a message's fourth delivery on they are written to a bucket,
before and after each try, where other processes and later ones find them. Decides nothing: `acknowledgement`
does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from slipway_contracts.envelope import now
from slipway_contracts.topology import TRIES

from slipway_chassis.bucket import Bucket
from slipway_chassis.connection import Connection
from slipway_chassis.errors import SlipwayError
from slipway_chassis.logs import get_logger
from slipway_chassis.reading import Reader

LONGEST_PAUSE: Final = timedelta(hours=1)
"""A message that nobody tried for as long as this begins anew: its service was away."""

_UNWRITTEN_DELIVERIES: Final = 3
_MOST_REMEMBERED: Final = 10_000
_WITHIN: Final = 1.0
_log: Final = get_logger()


class Run(BaseModel):
    """Tries of one message by one release, none of them a success, without a long pause between them.

    Attributes:
        since: when the first began.
        last: when the last began.
        tries: how many began.
        unended: how many of the last ones in a row came to no end; while one is under way, it is one of them.
        unforeseen: how many ended with an error that nobody foresaw: those of an outage are none of these.
        error: what the last one that did come to an end ended with.
    """

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    last: AwareDatetime
    tries: int
    unended: int
    unforeseen: int = 0
    error: str | None = None

    def one_more(self, at: datetime) -> "Run":
        """Return the run with a try that begins now."""
        return self.model_copy(update={"last": at, "tries": self.tries + 1, "unended": self.unended + 1})

    def one_less(self) -> "Run":
        """Return the run without its last try, which was not made."""
        return self.model_copy(update={"tries": self.tries - 1, "unended": self.unended - 1})

    def one_more_unforeseen(self) -> "Run":
        """Return the run whose last try ended with an error that nobody foresaw."""
        return self.model_copy(update={"unforeseen": self.unforeseen + 1})

    def ended(self, error: str | None) -> "Run":
        """Return the run whose last try came to an end: to this error, if to any."""
        return self.model_copy(update={"unended": 0, "error": error or self.error})


@dataclass(frozen=True, kw_only=True)
class Try:
    """A delivery of a message to this process.

    Attributes:
        consumer: the durable that delivered it.
        sequence: the message's position in its stream.
        delivery: the how manieth delivery it is, by whomever.
    """

    consumer: str
    sequence: int
    delivery: int

    @property
    def message(self) -> tuple[str, int]:
        """What is tried, the same for every delivery."""
        return self.consumer, self.sequence


class Tries:
    """The runs of what one process handles, shared with the others of its release.

    An outage of the bucket keeps nothing from being tried: then each process knows its own tries only.

    Args:
        connection: the process' connection.
        release: names this release of the platform; None: the version of this package.
    """

    def __init__(self, *, connection: Connection, release: str | None = None) -> None:
        self._bucket = Bucket(connection=connection, name=TRIES.name, within=_WITHIN)
        self._reader = Reader(connection=connection, stream=self._bucket.stream, timeout=_WITHIN)
        self._release = release or version("slipway-chassis")
        self._own: dict[tuple[str, int], Run] = {}
        self._said = False

    async def begin(self, attempt: Try) -> Run:
        """Say that a try begins; return the run with it, and with what is known of the tries before."""
        at = now()
        known = self._own.get(attempt.message)
        if _is_written(attempt):
            known = await self._read(attempt) or known
        if known is None or at - known.last > LONGEST_PAUSE:
            known = Run(since=at, last=at, tries=0, unended=0)
        run = known.one_more(at)
        if _is_written(attempt):
            await self._write(attempt, run)
        return run

    async def keep(self, attempt: Try, run: Run) -> None:
        """Remember this of a message that comes again."""
        if len(self._own) >= _MOST_REMEMBERED:
            self._own.clear()
        self._own[attempt.message] = run
        if _is_written(attempt):
            await self._write(attempt, run)

    def forget(self, attempt: Try) -> None:
        """Say that the message does not come again; what the bucket has of it expires there."""
        self._own.pop(attempt.message, None)

    async def _read(self, attempt: Try) -> Run | None:
        try:
            stored = await self._reader.last(self._bucket.subject(self._key(attempt)))
            return Run.model_validate_json(stored.data) if stored is not None and stored.data else None
        except (SlipwayError, ValidationError) as problem:
            self._say(problem)
            return None

    async def _write(self, attempt: Try, run: Run) -> None:
        try:
            await self._bucket.put(self._key(attempt), run.model_dump_json().encode(), ttl=LONGEST_PAUSE)
        except SlipwayError as problem:
            self._say(problem)

    def _key(self, attempt: Try) -> str:
        return f"{attempt.consumer}.{attempt.sequence}.{self._release}"

    def _say(self, problem: Exception) -> None:
        if not self._said:
            self._said = True
            _log.warning("tries of messages are remembered by this process only", problem=str(problem))


def _is_written(attempt: Try) -> bool:
    return attempt.delivery > _UNWRITTEN_DELIVERIES
