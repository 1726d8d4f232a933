"""An ASGI app behind HTTP or HTTPS: uvicorn in a thread, which keeps no log of requests and trusts no forwarded header."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

CONNECTIONS = 900
"""A process may often have 1,024 files open; who comes beyond is answered 503."""
BACKLOG = 1_024
EVERY_SECONDS = 0.01


class CannotServe(Exception):
    """The port is taken, or the certificate cannot be used; the message says what to do."""


@contextmanager
def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    key_password: str | None = None,
    end_seconds: int = 10,
) -> Iterator[int]:
    """Gives the port: any free one for 0. ``certificate``: with its chain, ``key``: where it is not in the same file. At the end
    nobody new is let in, and who waits for an answer gets it within ``end_seconds``. Raises :class:`CannotServe`.
    """
    config = uvicorn.Config(
        app,
        http="auto",  # httptools where it is installed, else h11
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=end_seconds,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_keyfile_password=key_password,
    )
    try:
        config.load()
    except OSError as error:  # what OpenSSL raises is one too
        raise CannotServe(f"the certificate {certificate} and its key cannot be used: {error}") from None
    listening = _listening(host, port)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([listening],), name="webhooks", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(EVERY_SECONDS)
        if not server.started:
            raise CannotServe(f"the server at {host}, port {port} ended before it began: see the log")
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotServe(f"{host}, port {port} cannot be used ({reason}): choose another") from None
    # What is accepted inherits it: an answer is two packets, and the second is not to wait for the sender's acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
