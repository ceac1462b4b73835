"""A web server of the tests on this machine: it keeps what it was sent, and answers as well or as badly as a test wants."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Heard:
    """Where the server listens, and what it was sent: "GET /path" and the body of each request, decompressed."""

    port: int
    requests: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def with_status(status: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")

    return answer


well = with_status(200)


def with_garbage(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\0\xff this is no HTTP\r\n\r\n")
    request.close_connection = True


def never(request: BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def drop_by_drop(request: BaseHTTPRequestHandler) -> None:
    """Send a header that does not end: no single wait of the client is long."""
    with suppress(OSError):
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
            request.wfile.write(bytes([letter]))
            time.sleep(0.2)


@contextmanager
def serving(answer: Answer = well) -> Iterator[Heard]:
    """Give a server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.take()

        def do_POST(self) -> None:
            self.take()

        def take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.requests.append(f"{self.command} {self.path}")
            heard.headers.append(str(self.headers))
            heard.bodies.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    heard = Heard(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
