"""A service that misbehaves on request, to see what the platform makes of it; README.md lists the ways."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LISTENS_ELSEWHERE = "wrong-port"
LISTENS_NEVER = "never"
LONGER_THAN_ANYBODY_WAITS = 1_000_000.0


class Conduct:
    """How the service behaves from now on."""

    def __init__(self) -> None:
        self.hangs = False
        self.health_hangs = False
        self.healthy = True
        self.errors_left = 0
        self.hoard: list[bytes] = []

    def exit(self, code: str) -> None:
        """End with this code."""
        print(f"exiting with {code}, as asked", file=sys.stderr, flush=True)
        os._exit(int(code))

    def kill(self) -> None:
        """End as if the system had run out of memory."""
        os.kill(os.getpid(), signal.SIGKILL)

    def hang(self) -> None:
        """Accept from now on, and never answer."""
        self.hangs = True

    def hang_health(self) -> None:
        """Answer everything but the health path."""
        self.health_hangs = True

    def fail_health(self) -> None:
        """Answer the health path with 503."""
        self.healthy = False

    def recover(self) -> None:
        """Behave again, as far as the question still gets through."""
        self.hangs = self.health_hangs = False
        self.healthy = True
        self.errors_left = 0

    def errors(self, count: str) -> None:
        """Answer this many requests with 500."""
        self.errors_left = int(count)

    def slow(self, seconds: str) -> None:
        """Take this long for one answer."""
        time.sleep(float(seconds))

    def memory(self, megabytes: str) -> None:
        """Take this much more memory, for good."""
        self.hoard.append(os.urandom(1 << 20) * int(megabytes))

    def log(self, count: str, text: str = "a line, as asked") -> None:
        """Print this many lines."""
        for number in range(int(count)):
            print(f"{number} {text}", flush=True)

    def wait_if_hanging(self, path: str) -> None:
        """Stay silent for as long as this path has to."""
        while self.hangs or (self.health_hangs and path == "/health"):
            time.sleep(0.1)


def deeds(conduct: Conduct) -> dict[str, Callable[..., None]]:
    """Return what may be asked for, by the first part of the path."""
    return {
        "exit": conduct.exit,
        "kill": conduct.kill,
        "hang": conduct.hang,
        "hang-health": conduct.hang_health,
        "fail-health": conduct.fail_health,
        "recover": conduct.recover,
        "errors": conduct.errors,
        "slow": conduct.slow,
        "memory": conduct.memory,
        "log": conduct.log,
    }


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the conduct says."""

    wbufsize = -1  # headers and body in one packet

    def __init__(self, conduct: Conduct, *request: Any) -> None:  # noqa: ANN401 - passed on
        self.conduct = conduct
        super().__init__(*request)

    def parse_request(self) -> bool:
        """Read the request, of whatever method, and stay silent where that was asked for."""
        understood = super().parse_request()
        if understood:
            self.conduct.wait_if_hanging(self.path.partition("?")[0])
        return understood

    def do_GET(self) -> None:
        """Misbehave first, answer then."""
        deed, *arguments = self.path.partition("?")[0].strip("/").split("/")
        if deed == "health":
            self._answer(200 if self.conduct.healthy else 503, {"healthy": self.conduct.healthy})
        elif self.conduct.errors_left > 0:
            self.conduct.errors_left -= 1
            self._answer(500, {"error": "as asked"})
        elif deed == "status":
            self._answer(int(arguments[0]), {"status": int(arguments[0])})
        else:
            self._do(deed, arguments)

    def do_POST(self) -> None:
        """Do the same; what was sent does not matter."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def _do(self, deed: str, arguments: list[str]) -> None:
        doing = deeds(self.conduct).get(deed)
        if deed and doing is None:
            self._answer(404, {"error": f"unknown: {deed}"})
            return
        try:
            if doing is not None:
                doing(*arguments)
        except (TypeError, ValueError) as error:
            self._answer(400, {"error": str(error)})
            return
        held = sum(map(len, self.conduct.hoard)) >> 20
        self._answer(200, {"pid": os.getpid(), "did": deed or "nothing", "held_megabytes": held})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing of each request: what is printed here was asked for."""


class PatientHandler(Handler):
    """Keeps connections open: for a server that can afford it."""

    protocol_version = "HTTP/1.1"


def server_on(port: int) -> HTTPServer:
    """Return a server that has not misbehaved yet."""
    conduct = Conduct()
    if os.environ.get("SINGLE_THREADED"):
        return HTTPServer(("127.0.0.1", port), partial(Handler, conduct))
    return ThreadingHTTPServer(("127.0.0.1", port), partial(PatientHandler, conduct))


def exit_if_told() -> None:
    """End right at the start: always, or the first EXIT_TIMES times, as counted in COUNT_FILE."""
    code = os.environ.get("EXIT_AT_START")
    if code is None:
        return
    times = os.environ.get("EXIT_TIMES")
    if times is not None:
        counter = Path(os.environ["COUNT_FILE"])
        with counter.open("a") as file:
            file.write("start\n")
        if len(counter.read_text().splitlines()) > int(times):
            return
    print(f"exiting with {code} at the start, as told", file=sys.stderr, flush=True)
    raise SystemExit(int(code))


def main() -> None:
    """Serve on `$PORT`, or whatever the variables say instead."""
    exit_if_told()
    time.sleep(float(os.environ.get("SLOW_START_SECONDS", "0")))
    listens = os.environ.get("LISTEN", "")
    if listens == LISTENS_NEVER:
        time.sleep(LONGER_THAN_ANYBODY_WAITS)
    server_on(0 if listens == LISTENS_ELSEWHERE else int(os.environ["PORT"])).serve_forever()


if __name__ == "__main__":
    main()
