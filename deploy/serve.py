"""The local HTTP of the embedded mode: ``/metrics`` for Prometheus, and answers for the commands beside a running process.

It listens on the loopback only. What is not for Prometheus asks for the token that lies beside the log, readable by its
owner alone.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

LIMIT = 1 << 20
NOTE = "serving.json"


class Address(Struct, frozen=True):
    """Where a process of this folder answers."""

    pid: int
    port: int
    token: str


Answer = Callable[[dict[str, Any]], bytes]


class Server:
    """Serves until :meth:`close`. ``answers``: path -> what answers a JSON body; a ``ValueError`` is told to the asker."""

    def __init__(
        self, folder: Path, port: int, metrics: Callable[[str], tuple[str, bytes]], answers: dict[str, Answer]
    ) -> None:
        token = secrets.token_urlsafe(24)
        self.http = ThreadingHTTPServer(("127.0.0.1", port), _handler(token, metrics, answers))
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.note = folder / NOTE
        write_private(self.note, msgspec.json.encode(Address(os.getpid(), self.port, token)))
        self.thread = threading.Thread(target=self.http.serve_forever, name="http", daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
        self.note.unlink(missing_ok=True)


def _handler(
    token: str, metrics: Callable[[str], tuple[str, bytes]], answers: dict[str, Answer]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "crossdesk", ""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.reply(200, *metrics(self.headers.get("Accept", "")))
            elif self.path in ("/live", "/ready"):
                self.reply(200, "text/plain", b"ok\n")
            else:
                self.reply(404, "text/plain", b"there are /metrics, /live and /ready\n")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {token}"):
                self.reply(401, "text/plain", b"this needs the token of the data folder\n")
            elif self.path not in answers or not 0 < length <= LIMIT:
                self.reply(404, "text/plain", b"no such question\n")
            else:
                try:
                    self.reply(200, "application/json", answers[self.path](json.loads(self.rfile.read(length))))
                except ValueError as error:
                    self.reply(400, "text/plain; charset=utf-8", str(error).encode())

        def reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads a log of scrapes."""

    return Handler


def running(folder: Path) -> Address | None:
    """The process that serves this folder, if one does."""
    try:
        address = msgspec.json.decode((folder / NOTE).read_bytes(), type=Address)
        os.kill(address.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return address


def ask(address: Address, path: str, question: dict[str, Any]) -> bytes:
    """Raises ``ValueError`` with what the process says, ``ConnectionError`` when it does not answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{address.port}{path}",
        data=json.dumps(question).encode(),
        headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            body: bytes = response.read()
    except urllib.error.HTTPError as error:
        raise ValueError(error.read().decode()) from None
    except urllib.error.URLError as error:
        raise ConnectionError(f"the crossdesk with process id {address.pid} does not answer: {error.reason}") from None
    return body


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner may read, whole or not there."""
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    beside.replace(path)
