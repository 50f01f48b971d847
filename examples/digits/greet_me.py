"""A server of the standard library that greets; it learns its port from $PORT."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Greeter(BaseHTTPRequestHandler):
    """Answers every GET with a greeting, as /?name=Ada."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet

    def do_GET(self) -> None:
        """Greet whoever the query names."""
        name = parse_qs(urlsplit(self.path).query).get("name", ["you"])[0]
        body = json.dumps({"greeting": f"Hello, {name}!"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent: a line per request is the gateway's business."""


if __name__ == "__main__":
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]))
    print(f"greeting on {address[0]}:{address[1]}", flush=True)
    ThreadingHTTPServer(address, Greeter).serve_forever()
