"""One HTTP exchange with the API, tried again while trying again cannot do harm; it knows no route.

Every mutation carries one Idempotency-Key through all its attempts, so that a lost answer costs nothing.
"""

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any, Final, Self

import aiohttp

from slipway.errors import InvalidInputError, Problem, ProblemError, ProtocolError, UnreachableError

RETRIED_STATUSES: Final = frozenset({502, 503, 504})
_READS: Final = frozenset({"GET", "HEAD"})
_OUTCOMES: Final[Mapping[str, int]] = {"stored": 2, "unknown": 1}
_TOLD_AFTER: Final = 2.0
_CHUNK: Final = 1 << 20
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_UNREACHABLE_HINT: Final = (
    "Look whether it runs (`slipway status`), start it with `slipway up`, or name another --url."
)
_OTHER_HINT: Final = "Look whether --url names the API."


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to send; `file` is streamed from its start in each attempt."""

    method: str
    path: str
    query: Mapping[str, str] | Sequence[tuple[str, str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    file: IO[bytes] | None = None

    def with_idempotency_key(self) -> Self:
        """Return the request with a key that all its attempts share."""
        return replace(self, headers={"Idempotency-Key": str(uuid.uuid4()), **self.headers})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A 2xx answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    document: Any


class Absence:
    """Tells once that the API of a stream does not answer, and once that it is back.

    Args:
        url: of the API.
        patience: seconds that the stream waits for it.
        tell: gets the lines.
    """

    def __init__(self, *, url: str, patience: float, tell: Callable[[str], None]) -> None:
        self._line = f"The API at {url} does not answer; waits for it, up to {patience:.0f} s."
        self._tell = tell
        self._since: float | None = None
        self._told = False

    def goes_on(self) -> None:
        """Take note of an attempt that failed."""
        self._since = self._since or time.monotonic()
        if not self._told and time.monotonic() - self._since >= _TOLD_AFTER:
            self._told = True
            self._tell(self._line)

    def ends(self) -> None:
        """Take note of bytes that came."""
        if self._told:
            self._tell("The API answers again.")
        self._since, self._told = None, False


class Pauses:
    """The growing pauses between attempts, until `patience` seconds have passed since the last success."""

    def __init__(self, patience: float, absence: Absence | None = None) -> None:
        self._patience = patience
        self._absence = absence
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        if self._absence is not None:
            self._absence.ends()
        self._until = time.monotonic() + self._patience
        self._pause = _FIRST_PAUSE

    async def next(self, *, asked: float = 0.0) -> bool:
        """Wait, at least `asked` seconds as far as patience goes; False at once when it is used up."""
        if self._absence is not None:
            self._absence.goes_on()
        left = self._until - time.monotonic()
        if left <= 0:
            return False
        await asyncio.sleep(min(max(self._pause, asked), left))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True


class Transport:
    """A session with one API.

    Args:
        url: base URL, without a slash at its end.
        key: bearer key.
        patience: seconds during which an API that does not answer is tried again.
        silence: seconds without a byte after which an answer counts as lost.
        tell: gets lines about an API that a stream waits for.
    """

    def __init__(
        self,
        *,
        url: str,
        key: str,
        patience: float,
        silence: float,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url = url
        self._key = key
        self._patience = patience
        self._silence = silence
        self._tell = tell
        self._session: aiohttp.ClientSession | None = None
        self._heard = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=self._silence),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; repeating it changes nothing."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request, *, patience: float | None = None) -> Answer:
        """Return the answer of the first attempt that got one.

        Args:
            request: what to send.
            patience: another one than that of the transport; 0 makes one attempt.

        Raises:
            ProblemError: the API refused, or still answered 502 to 504 when patience ended; of several such
                answers, the one that tells most of what became of the request.
            UnreachableError: no attempt got an answer.
            ProtocolError: the answer is not JSON, or no HTTP at all.
        """
        pauses = Pauses(self._patience if patience is None else patience)
        telling: ProblemError | None = None
        arrived = False
        while True:
            try:
                async with self.open(request) as response:
                    return await _read(response)
            except ProblemError as error:
                if error.status not in RETRIED_STATUSES:
                    raise
                arrived = True
                if telling is None or _certainty(error) >= _certainty(telling):
                    telling = error
                if not await pauses.next(asked=_retry_after(error)):
                    raise telling from None
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                arrived = arrived or not _never_sent(error)
                if not await pauses.next():
                    if telling is not None and _certainty(telling) > 0:
                        raise telling from error
                    raise self.unreachable(error, what=self._asked(request, arrived=arrived)) from error

    def _asked(self, request: Request, *, arrived: bool) -> str:
        """Return what an API that gave no answer was asked, as far as it matters."""
        if arrived:
            reads = request.method in _READS
            return "" if reads else "; it is not known whether the request arrived"
        return "; this request was not sent" if self._heard else "; nothing was asked of it"

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make one attempt, and yield its 2xx answer with the body still to be read.

        Raises:
            ProblemError: the API refused.
            ProtocolError: what answers is no API.
            aiohttp.ClientConnectionError: no answer.
            TimeoutError: no answer in time.
        """
        if self._session is None:
            raise RuntimeError("use `async with` around the client")
        try:
            async with self._session.request(
                request.method,
                self.url + request.path,
                params=request.query,
                headers=request.headers,
                json=request.body,
                data=_chunks(request.file) if request.file else None,
            ) as response:
                self._heard = True
                if response.status >= 400:  # noqa: PLR2004 - the range of refusals
                    raise ProblemError(await _problem(response))
                yield response
        except aiohttp.InvalidURL as error:
            raise InvalidInputError(
                f"{self.url!r} is no URL", hint="Write it as http://host:port."
            ) from error
        except aiohttp.TooManyRedirects as error:
            raise ProtocolError(f"{self.url} redirects without an end", hint=_OTHER_HINT) from error
        except aiohttp.ClientResponseError as error:
            raise ProtocolError(
                f"{self.url} does not speak HTTP; is that the API's address?", hint=_OTHER_HINT
            ) from error

    def pauses_of_stream(self, patience: float) -> Pauses:
        """Return the pauses of a stream, which tell of an API that it waits for."""
        return Pauses(patience, Absence(url=self.url, patience=patience, tell=self._tell))

    def unreachable(self, error: Exception, *, what: str = "") -> UnreachableError:
        """Return the error that says so; `what` it was asked ends the sentence."""
        why = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.errno:
            why = os.strerror(error.errno)
        return UnreachableError(f"the API at {self.url} does not answer: {why}{what}", hint=_UNREACHABLE_HINT)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    # aiohttp closes a file that it is given, and the next attempt needs it again.
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk


async def _read(response: aiohttp.ClientResponse) -> Answer:
    raw = await response.read()
    try:
        document = json.loads(raw) if raw else None
    except ValueError as error:
        raise ProtocolError(
            f"{response.url.origin()} answered something that is not JSON",
            hint=_OTHER_HINT,
        ) from error
    return Answer(status=response.status, headers=response.headers, document=document)


async def _problem(response: aiohttp.ClientResponse) -> Problem:
    text = (await response.read()).decode(errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = {"detail": text.strip()[:500]}
    return Problem.of(response.status, document if isinstance(document, dict) else {"detail": text})


def _never_sent(error: Exception) -> bool:
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _certainty(error: ProblemError) -> int:
    """Rank what an answer says about the effect of a request that was sent several times with one key."""
    return _OUTCOMES.get(str(error.problem.document.get("outcome")), 0)


def _retry_after(error: ProblemError) -> float:
    asked = error.problem.document.get("retry_after_seconds", 0)
    return float(asked) if isinstance(asked, int | float) else 0.0
