"""Envoy's administration interface, as far as the gateway needs it: versions, rejections, active requests.

A small HTTP/1.1 client of its own: one kept connection to a unix socket or a loopback port, GET only.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Final, Literal

from slipway_chassis.errors import TransientError

from slipway_gateway.listener import STAT_PREFIX
from slipway_gateway.routes import ROUTE_CONFIG

Kind = Literal["clusters", "routes"]
_ANSWER_SECONDS: Final = 5.0
_CDS: Final = "cluster_manager.cds."
_RDS: Final = f"http.{STAT_PREFIX}.rds.{ROUTE_CONFIG}."
_ACTIVE: Final = (".upstream_rq_active", ".upstream_rq_pending_active")


class EnvoyDownError(TransientError):
    """Envoy's administration does not answer."""


class EnvoyAdmin:
    """Reads from one Envoy, one after the other.

    Args:
        address: path of a unix socket, or `host:port`.
    """

    def __init__(self, *, address: str) -> None:
        self._address = address
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def versions(self) -> Mapping[Kind, str]:
        """Return the versions of clusters and routes in use; empty before the first.

        Raises:
            EnvoyDownError: no answer.
        """
        values = _values(await self._get("/stats?type=TextReadouts"))
        return {
            "clusters": values.get(f"{_CDS}version_text", "").strip('"'),
            "routes": values.get(f"{_RDS}version_text", "").strip('"'),
        }

    async def refusals(self) -> Mapping[Kind, int]:
        """Return counters that grow when Envoy refuses clusters or routes.

        Raises:
            EnvoyDownError: no answer.
        """
        kinds = "update_(rejected|failure)"
        values = _values(await self._get(f"/stats?type=Counters&filter=(cds|rds\\.{ROUTE_CONFIG})\\.{kinds}"))
        return {
            "clusters": sum(int(value) for name, value in values.items() if name.startswith(_CDS)),
            "routes": sum(int(value) for name, value in values.items() if name.startswith(_RDS)),
        }

    async def active(self) -> Mapping[str, int]:
        """Return the requests and websockets in flight per cluster, also of clusters that were removed.

        Raises:
            EnvoyDownError: no answer.
        """
        answer = await self._get("/stats?type=Gauges&usedonly&filter=upstream_rq_(pending_)?active$")
        active: dict[str, int] = {}
        for name, value in _values(answer).items():
            for suffix in _ACTIVE:
                if name.endswith(suffix):
                    cluster = name.removeprefix("cluster.").removesuffix(suffix)
                    active[cluster] = active.get(cluster, 0) + int(value)
        return active

    async def answered(self) -> frozenset[str]:
        """Return the clusters that have answered a request with 2xx; none where Envoy counts no statuses.

        Raises:
            EnvoyDownError: no answer.
        """
        answer = await self._get("/stats?type=Counters&usedonly&filter=^cluster\\.[^.]%2B\\.upstream_rq_2xx$")
        counted = _values(answer).items()
        return frozenset(name.split(".")[1] for name, value in counted if int(value) > 0)

    async def cluster_versions(self) -> Mapping[str, str]:
        """Return the version with which each cluster in use was last changed.

        Raises:
            EnvoyDownError: no answer.
        """
        mask = "resource=dynamic_active_clusters&mask=version_info,cluster.name"
        dump = json.loads(await self._get(f"/config_dump?{mask}"))
        return {each["cluster"]["name"]: each["version_info"] for each in dump.get("configs", ())}

    def close(self) -> None:
        """Give up the connection; the next read opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _get(self, target: str) -> str:
        async with self._lock:
            # A kept connection may belong to an Envoy that is gone: only a fresh one tells.
            for fresh in (self._streams is None, True):
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        return await self._exchange(target)
                except (OSError, EOFError, TimeoutError, ValueError) as error:
                    self.close()
                    if fresh:
                        raise EnvoyDownError(
                            f"Envoy does not answer at {self._address}: {error or 'timeout'}"
                        ) from None
            raise AssertionError

    async def _exchange(self, target: str) -> str:
        if self._streams is None:
            self._streams = await self._connect()
        reader, writer = self._streams
        writer.write(f"GET {target} HTTP/1.1\r\nhost: envoy\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        body = await _body(head, reader)
        if not head.startswith("http/1.1 200 "):
            raise ValueError(f"{target} was answered {head.splitlines()[0]}")
        return body.decode()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.startswith("/"):
            return await asyncio.open_unix_connection(self._address)
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host, int(port))


async def _body(head: str, reader: asyncio.StreamReader) -> bytes:
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


def _values(stats: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in stats.splitlines())
    return {name: value for name, separator, value in pairs if separator}
