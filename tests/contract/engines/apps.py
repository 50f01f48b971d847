"""What the replicas of the tests run."""

import asyncio
import json
from typing import Any

SERVER = """
import http.server, json, os, signal, sys, time

print("begin", os.getpid(), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    hangs = False

    def do_GET(self):
        _, verb, *arguments = self.path.split("/")
        if verb == "hang":
            Handler.hangs = True
        elif verb == "health" and Handler.hangs:
            time.sleep(3600)
        elif verb == "say":
            first, count, size = map(int, arguments)
            for number in range(first, first + count):
                print(number, "x" * size, flush=True)
        elif verb == "exit":
            print("leaving", file=sys.stderr, flush=True)
            os._exit(int(arguments[0]))
        elif verb == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "close":
            self.server.socket.close()
            time.sleep(3600)
        body = json.dumps(
            {"pid": os.getpid(), "environment": dict(os.environ), "path": sys.path, "cwd": os.getcwd()}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


port = 0 if "ANY_PORT" in os.environ else int(os.environ["PORT"])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

FAMILY = """
import os, subprocess, sys, time

grandchild = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
start = "subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
middle = f"import subprocess, sys; {start}"
subprocess.run([sys.executable, "-c", middle, grandchild])
subprocess.Popen([sys.executable, "-c", grandchild])
exec(open("server.py").read())
"""

LAST_WORDS = """
import sys

for number in range(100):
    print("line", number)
sys.stdout.flush()
print("the last words", file=sys.stderr, end="")
sys.exit(int(sys.argv[1]))
"""


async def ask(address: str | None, path: str = "/") -> dict[str, Any]:
    """GET a path of a replica and return what it says of itself."""
    assert address is not None
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    body = answer.partition(b"\r\n\r\n")[2]
    result: dict[str, Any] = json.loads(body)
    return result
