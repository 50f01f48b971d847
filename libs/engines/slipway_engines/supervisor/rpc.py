"""Calls supervisord over its unix socket: XML-RPC, one connection per call, no threads."""

import asyncio
import base64
import xmlrpc.client
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from xml.parsers.expat import ExpatError

from pydantic import SecretStr

from slipway_engines.errors import EngineUnavailableError

SHUTDOWN_STATE: Final = 6
BAD_NAME: Final = 10
ALREADY_ADDED: Final = 90
_OK: Final = b"200"


@dataclass(frozen=True)
class Fault:
    """An answer of supervisord that says no."""

    code: int
    text: str


@dataclass(frozen=True)
class Call:
    """One method with its arguments; names are those of supervisord's `supervisor` namespace."""

    method: str
    arguments: tuple[str | bool | int, ...] = ()


class SupervisorClient:
    """One supervisord. Usable from several tasks at once."""

    def __init__(
        self,
        *,
        socket: Path,
        username: str | None = None,
        password: SecretStr | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._socket = socket
        self._timeout = timeout_seconds
        self._authorization = ""
        if username is not None and password is not None:
            token = base64.b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
            self._authorization = f"Authorization: Basic {token}\r\n"

    async def call(self, call: Call) -> Any:  # noqa: ANN401
        """Make one call and return its result, or its `Fault`; see `calls` for the errors."""
        (result,) = await self.calls([call])
        return result

    async def calls(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls in order, with nothing of another client in between; return each result or `Fault`.

        Raises:
            EngineUnavailableError: supervisord is down, shutting down, or does not answer in time.
        """
        if not calls:
            return []
        batch = [
            {"methodName": f"supervisor.{each.method}", "params": list(each.arguments)} for each in calls
        ]
        body = xmlrpc.client.dumps((batch,), "system.multicall", allow_none=True).encode()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(body)
            results = cast("list[Any]", xmlrpc.client.loads(answer)[0][0])
        except TimeoutError:
            raise self._unavailable(f"gave no answer within {self._timeout:g} s") from None
        except (OSError, EOFError) as error:
            raise self._unavailable(f"cannot be reached: {error}") from error
        except (ValueError, ExpatError, xmlrpc.client.Error) as error:
            raise self._unavailable(f"gave no understandable answer: {error}") from error
        return [self._result(each) for each in results]

    async def _exchange(self, body: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 24)
        try:
            head = (
                f"POST /RPC2 HTTP/1.1\r\nHost: supervisord\r\n{self._authorization}Content-Type: text/xml\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.read()
        finally:
            writer.close()
        status, _, rest = answer.partition(b"\r\n")
        if not status:
            raise EOFError("it closed the connection")
        if status.split(b" ")[1:2] != [_OK]:
            raise ValueError(status.decode(errors="replace"))
        return rest.partition(b"\r\n\r\n")[2]

    def _result(self, result: Any) -> Any:  # noqa: ANN401
        if not isinstance(result, dict) or "faultCode" not in result:
            return result
        fault = Fault(code=int(result["faultCode"]), text=str(result["faultString"]))
        if fault.code == SHUTDOWN_STATE:
            raise self._unavailable("is shutting down")
        return fault

    def _unavailable(self, fact: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"supervisord at {self._socket} {fact}; replicas cannot be started or ended"
        )
