"""A live page on loopback: read-only, rendered anew when there is a new row."""

import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Revision = Callable[[], int]
Render = Callable[[int], str]
RowOf = Callable[[int], str | None]
LOOPBACK = "127.0.0.1"


class PageServer(ThreadingHTTPServer):
    """Serves `/`, the page, `/revision`, the newest row's number, and `/row/N`, a row as JSON, where given.

    Raises OSError for a taken port.
    """

    daemon_threads = True

    def __init__(
        self, port: int, revision: Revision, render: Render, row: RowOf = lambda _number: None
    ) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._revision, self._render, self.row = revision, render, row
        self._lock = threading.Lock()
        self._kept: tuple[int, bytes] | None = None

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser may call it: another name means that a foreign page had it resolved to loopback."""
        return frozenset(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    def revision(self) -> int:
        """Of the newest row."""
        return self._revision()

    def page(self) -> bytes:
        """The page of now; one rendering serves all who ask for the same rows."""
        with self._lock:
            now = self._revision()
            if self._kept is None or self._kept[0] != now:
                self._kept = (now, self._render(now).encode())
            return self._kept[1]


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        """The page, or the revision."""
        if self.headers.get("Host", "") not in self.server.hosts:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"ask for it by its address\n")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html", self.server.page())
        elif self.path == "/revision":
            self._answer(HTTPStatus.OK, "text/plain", f"{self.server.revision()}\n".encode())
        elif (match := re.fullmatch(r"/row/([0-9]{1,15})", self.path)) and (
            row := self.server.row(int(match[1]))
        ):
            self._answer(HTTPStatus.OK, "application/json", row.encode("utf-8", "replace"))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is only /\n")

    def do_HEAD(self) -> None:
        """The same without its body."""
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to whoever started it."""

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
