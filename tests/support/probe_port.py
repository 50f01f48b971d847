"""Asks the probe port of a service's process."""

import asyncio
import json


class ProbePort:
    """The probe port of a process that may not listen yet, or no more."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body of the answer; 0 where nothing listens."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return 0, ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body

    async def ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def problem(self, name: str) -> str:
        """Return what keeps this part of the process from being ready; empty: nothing does."""
        status, body = await self.get("/readyz")
        return str(json.loads(body)["problems"].get(name, "")) if status == 503 else ""
