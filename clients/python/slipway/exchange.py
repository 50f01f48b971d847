"""Typed requests and pages of one group, on top of the transport; the routes themselves are in `client`."""

import sys
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from slipway.documents import Accepted, Document, Page
from slipway.errors import InvalidInputError, ProblemError, ProtocolError
from slipway.transport import Request, Transport

_NO_NAMES: Final = frozenset({"", ".", ".."})

D = TypeVar("D", bound=Document)


class Exchange:
    """Asks the API about the things of one group."""

    def __init__(self, *, transport: Transport, group: str, page_size: int) -> None:
        self._transport = transport
        self._group = group
        self._page_size = page_size

    def path(self, *parts: str) -> str:
        """Return the path of something in the group.

        Raises:
            InvalidInputError: a part is empty, or would lead elsewhere.
        """
        for part in parts:
            if part in _NO_NAMES:
                raise InvalidInputError(f"{part!r} is no name")
        return "/".join(("/v1/groups", *(quote(part, safe="") for part in (self._group, *parts))))

    async def command(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Accepted:
        """Send a mutation with a fresh Idempotency-Key."""
        request = Request(method=method, path=path, body=body).with_idempotency_key()
        answer = await self._transport.send(request)
        return _parsed(Accepted, answer.document)

    async def get(self, kind: type[D], path: str, at_least: int | None = None) -> D:
        """Return a document, of the sequence `at_least` or later."""
        query = {} if at_least is None else {"at_least": str(at_least)}
        answer = await self._transport.send(Request(method="GET", path=path, query=query))
        return _parsed(kind, answer.document)

    async def found(self, method: str, path: str) -> bool:
        """Say whether the path names something."""
        try:
            await self._transport.send(Request(method=method, path=path))
        except ProblemError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    async def pages(self, kind: type[D], path: str, limit: int | None = None) -> AsyncIterator[D]:
        """Yield the documents of a list, page by page."""
        async for each in self.items(path, {}, limit):
            yield _parsed(kind, each)

    async def items(
        self, path: str, query: Mapping[str, str], limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        left = sys.maxsize if limit is None else limit
        token: dict[str, str] = {}
        while left > 0:
            asked = {**query, **token, "page_size": str(min(left, self._page_size))}
            answer = await self._transport.send(Request(method="GET", path=path, query=asked))
            page = _parsed(Page, answer.document)
            for item in page.items[:left]:
                yield item
            left -= len(page.items)
            if page.next_page_token is None:
                return
            token = {"page_token": page.next_page_token}


def _parsed(kind: type[D], document: Any) -> D:  # noqa: ANN401 - any JSON
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fact = f"the API answered no {kind.__name__}: {error.errors()[0]['msg']}"
        raise ProtocolError(fact, hint="Look whether client and platform are of one version.") from error
