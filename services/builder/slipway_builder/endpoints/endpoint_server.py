"""How each endpoint's server starts, and the production server that WSGI and ASGI applications get.

The server is a layer of its own, the same in all versions, so it is stored and unpacked once.
"""

import re
from pathlib import Path
from typing import Final

from slipway_contracts.manifest import ManifestEndpoint
from slipway_contracts.version import CommandSpec

SERVER_REQUIREMENTS: Final = (
    "a2wsgi==1.10.10",
    "click==8.5.1",
    "h11==0.16.0",
    "httptools==0.9.0",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
)
SERVER_MODULE: Final = Path(__file__).with_name("server_layer") / "slipway_serve.py"
_MENTIONS_PORT: Final = re.compile(r"\$(?:PORT\b|\{PORT\b)")


def needs_server(endpoint: ManifestEndpoint) -> bool:
    """Say whether the builder adds the server."""
    return endpoint.server_command is None


def command_of(endpoint: ManifestEndpoint) -> CommandSpec:
    """Return how the endpoint starts; the server of `wsgi` and `asgi` reads $HOST and $PORT itself."""
    if endpoint.server_command is not None:
        return CommandSpec(shell=endpoint.server_command)
    interface, target = ("wsgi", endpoint.wsgi) if endpoint.wsgi else ("asgi", endpoint.asgi)
    return CommandSpec(argv=("python", "-m", SERVER_MODULE.stem, interface, target or ""))


def fixed_port(endpoint: ManifestEndpoint) -> int | None:
    """Return the port that the command insists on; None where it obeys $PORT."""
    command = endpoint.server_command
    if command is None or _MENTIONS_PORT.search(command):
        return None
    return endpoint.port


def notices_of(endpoint: ManifestEndpoint, *, python: str) -> list[str]:
    """Return what the user should know before a deploy."""
    notices = []
    port = fixed_port(endpoint)
    if port is not None:
        notices.append(
            f"endpoint {endpoint.name} listens on port {port} whatever $PORT says: on a supervisor target it "
            "runs one replica and is replaced in place; use $PORT in server-command to change that"
        )
    if endpoint.image is not None:
        notices.append(
            f"endpoint {endpoint.name}: the image {endpoint.image} is not used here; the endpoint runs on "
            f"this machine with Python {python}"
        )
    return notices
