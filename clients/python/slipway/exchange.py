"""Typed requests and pages of one group, on top of the transport; the routes themselves are in `client`."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

from slipway.documents import Document, Page, parsed
from slipway.errors import InvalidInputError, ProblemError, UnreachableError
from slipway.mutation import AT_ONCE, Mutation, Terms
from slipway.transport import Request, Transport

_NO_NAMES: Final = frozenset({"", ".", ".."})

D = TypeVar("D", bound=Document)
Query = Sequence[tuple[str, str]]


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
        return self.root("groups", self._group, *parts)

    def root(self, *parts: str) -> str:
        """Return the path of something of the installation.

        Raises:
            InvalidInputError: a part is empty, or would lead elsewhere.
        """
        for part in parts:
            if part in _NO_NAMES:
                raise InvalidInputError(f"{part!r} is no name")
        return "/".join(("/v1", *(quote(part, safe="") for part in parts)))

    def command(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Mutation:
        """Return a command that is sent when it is awaited."""

        async def perform(terms: Terms) -> Any:  # noqa: ANN401 - any JSON
            return await self.perform(method, path, terms, body=body, query=query)

        return Mutation(perform)

    async def perform(
        self,
        method: str,
        path: str,
        terms: Terms,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON
        """Send a mutation with a fresh Idempotency-Key, and return the JSON of the answer."""
        asked = {**(query or {}), **({"dry_run": "true"} if terms.dry_run else {})}
        etag = None if terms.if_match is None else terms.if_match.strip().strip('"')
        headers = {} if etag is None else {"If-Match": f'"{etag}"'}
        request = Request(method=method, path=path, query=asked, headers=headers, body=body)
        return (await self._transport.send(request.with_idempotency_key())).document

    async def configure(
        self,
        kind: type[D],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        terms: Terms = AT_ONCE,
    ) -> D:
        """Change what is no command of a deployment, and return the document that the API answers."""
        return parsed(kind, await self.perform(method, path, terms, body=body, query=query) or {})

    async def get(self, kind: type[D], path: str, at_least: int | None = None, *, at: str | None = None) -> D:
        """Return a document, of the sequence `at_least` or later; `at`: as it was then."""
        asked = {"at_least": None if at_least is None else str(at_least), "at": at}
        query = {name: value for name, value in asked.items() if value is not None}
        answer = await self._transport.send(Request(method="GET", path=path, query=query))
        return parsed(kind, answer.document)

    async def found(self, method: str, path: str) -> bool:
        """Say whether the path names something."""
        try:
            await self._transport.send(Request(method=method, path=path))
        except ProblemError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    async def is_there(self, path: str) -> bool:
        """Say whether the projection knows something at this path; of one that does not answer: no."""
        try:
            await self._transport.send(Request(method="GET", path=path), patience=0)
        except (ProblemError, UnreachableError):
            return False
        return True

    async def pages(
        self, kind: type[D], path: str, limit: int | None = None, query: Query = ()
    ) -> AsyncIterator[D]:
        """Yield the documents of a list, page by page."""
        async for each in self.items(path, query, limit):
            yield parsed(kind, each)

    async def items(
        self, path: str, query: Query = (), limit: int | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the objects of a list, page by page."""
        left = sys.maxsize if limit is None else limit
        token: tuple[tuple[str, str], ...] = ()
        while left > 0:
            asked = (*query, *token, ("page_size", str(min(left, self._page_size))))
            answer = await self._transport.send(Request(method="GET", path=path, query=asked))
            page = parsed(Page, answer.document)
            for item in page.items[:left]:
                yield item
            left -= len(page.items)
            if page.next_page_token is None:
                return
            token = (("page_token", page.next_page_token),)
