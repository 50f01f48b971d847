"""Serves one WSGI or ASGI application on $HOST:$PORT: `python -m slipway_serve wsgi module:callable`.

Runs inside an image, so it imports nothing of the platform. The application is imported before the port
opens: a replica that listens can answer, and one that cannot import ends at once with the traceback. On
SIGTERM it takes no new connection, finishes the requests it has, and ends.
"""

import functools
import importlib
import os
import sys
from typing import Any

import uvicorn

# Longer than the gateway keeps an idle connection: only the side that sends requests may close one, for a
# request that crosses a close on its way is lost.
_KEEP_ALIVE_SECONDS = 2 * 60 * 60


def load(target: str) -> Any:  # noqa: ANN401
    """Import `module:callable`; whatever the import raises goes through."""
    module, _, attributes = target.partition(":")
    return functools.reduce(getattr, attributes.split("."), importlib.import_module(module))


def main() -> None:
    """Serve until SIGTERM."""
    interface, target = sys.argv[1:]
    if "PORT" not in os.environ:
        sys.exit("slipway_serve: the variable PORT is not set")
    application = load(target)
    if interface == "wsgi":
        threads = int(os.environ.get("WSGI_THREADS", "8"))
        application = importlib.import_module("a2wsgi").WSGIMiddleware(application, workers=threads)
    uvicorn.run(
        application,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ["PORT"]),
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
