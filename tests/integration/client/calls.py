"""Calls an endpoint as its users do."""

import subprocess
from typing import Final

import httpx

_PATIENCE: Final = 10


def answer_of(url: str, **headers: str) -> tuple[int, str]:
    """Return status and body of what an endpoint answers."""
    response = httpx.get(url, headers=headers, timeout=_PATIENCE)
    return response.status_code, response.text


def pasted(example: str, **environment: str) -> str:
    """Return what a shell prints when a call example is pasted into it."""
    command = ["/bin/sh", "-c", example.replace("curl", "curl -s -S", 1)]
    ran = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=True
    )
    return ran.stdout
