"""A source that answers as a test tells it to, over HTTP on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

import msgspec


class Answer(NamedTuple):
    """``slow``: seconds until it comes. A ``status`` of 0 hangs up without one."""

    status: int = 200
    json: Any = None
    headers: Mapping[str, str] = {}
    slow: float = 0.0
    body: bytes | None = None


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


class FakeSource:
    """``answers``: by path with query, in turn; the last of a path stays. ``asked``: all that came."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.url = ""

    def says(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        waiting = self.answers.get(asked.path, [Answer(404)])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def serving(source: FakeSource) -> Iterator[FakeSource]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            said = source.answer(
                Asked(self.command, self.path, dict(self.headers), self.rfile.read(length), time.monotonic())
            )
            time.sleep(said.slow)
            if not said.status:
                self.close_connection = True
                return
            body = msgspec.json.encode(said.json) if said.body is None else said.body
            self.send_response(said.status)
            for name, value in {"Content-Type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # the name is http.server's

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    source.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
