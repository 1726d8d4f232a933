"""A small HTTP server for what runs beside the work: who asks gets a short answer, and nobody reads a log of scrapes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Metrics = Callable[[str], tuple[str, bytes]]
"""The header ``Accept`` -> content type and body."""


class PortTaken(Exception):
    """Somebody else listens there: choose another port."""

    def __init__(self, port: int, error: OSError, mend: str) -> None:
        super().__init__(f"port {port} cannot be used ({error.strerror}): {mend}")


class Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "crossdesk", ""
    timeout = 30

    def reply(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class Http(ThreadingHTTPServer):
    """Answers in threads of its own until :meth:`close`. Raises :class:`PortTaken`, which says how to ``mend`` that."""

    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[Handler], mend: str) -> None:
        try:
            super().__init__((host, port), handler)
        except OSError as error:
            raise PortTaken(port, error, mend) from error
        self._thread = Thread(target=self.serve_forever, name="http", daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked may go away before the answer comes."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
