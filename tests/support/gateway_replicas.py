"""Replicas to put behind the gateway: in this process to be looked into, in their own to be killed."""

import asyncio
import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import web
from eventually import eventually
from servers import die_with_parent, free_port


@dataclass
class Replica:
    """An HTTP server in this process that tells what reached it."""

    name: str
    address: str = ""
    first_chunk: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    requests: Counter[str] = field(default_factory=Counter)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.path] += 1
        match request.path:
            case "/sleep":
                await asyncio.sleep(float(request.query["seconds"]))
            case "/wait":
                self.first_chunk.set()
                await self.go_on.wait()
            case "/reset":
                assert request.transport is not None
                request.transport.abort()
            case "/own-error":
                return web.Response(status=503, text="my own words", headers={"x-mine": "yes"})
            case "/websocket":
                return await self._echo(request)
            case "/upload":
                await request.content.readany()
                self.first_chunk.set()
            case "/download":
                return await self._drip(request)
            case _:
                pass
        return await self._told(request)

    async def _told(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response(
            {
                "by": self.name,
                "method": request.method,
                "path": request.raw_path,
                "headers": {key.lower(): value for key, value in request.headers.items()},
                "bytes": len(body),
                "digest": hashlib.sha256(body).hexdigest(),
            }
        )

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{self.name}: {message.data}")
        return socket

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first ")
        await self.go_on.wait()
        await response.write(b"last")
        return response


class ReplicaProcess:
    """A process of its own that answers every request with its name, to be killed without warning."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, str(self.port)],
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )

    async def until_up(self) -> None:
        async def connects() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(connects)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


async def _serve_name(name: str, port: int) -> None:
    replica = Replica(name)

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"by": replica.name})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_name(sys.argv[1], int(sys.argv[2])))
