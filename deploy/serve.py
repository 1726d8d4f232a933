"""The local HTTP of the embedded mode: ``/metrics`` for Prometheus, and answers for the commands beside a running process.

It listens on the loopback only. What is not for Prometheus asks for the token that lies beside the log, readable by its
owner alone; a browser asks for it as a password. Whether single cases are shown to a browser is said when it is started.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import signal
import threading
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable
from datetime import date, time
from http.client import HTTPException
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from deploy import explain, reproduce
from deploy.embedded import Embedded
from deploy.http_server import Handler, Http, Metrics
from deploy.http_server import PortTaken as PortTaken
from deploy.log import Log, LogError
from sinks.clickhouse import ClickHouse
from sinks.prometheus import Exporter, Pair
from sinks.prometheus_morale import exported
from sinks.store import StoreError
from streams.configuration import encode

LIMIT = 1 << 20
NOTE, COPY = "serving.json", "copy-"
HELLO, CASE = "/hello", "/explain/"
NEEDS_TOKEN = b"this needs the token of the data folder, which lies in its serving.json\n"
AS_A_PAGE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = "127.0.0.1"
ANOTHER_PORT = "name another with --port, or 0 for any free one"


class Address(Struct, frozen=True):
    """Where a process of this folder answers."""

    pid: int
    port: int
    token: str


Answer = Callable[[dict[str, Any]], bytes]
Drawn = Callable[[str], bytes]
"""The name of a case -> its page. Raises :class:`deploy.explain.NotThere`."""


class Server:
    """Serves until :meth:`close`. ``answers``: path -> what answers a JSON object; a ``ValueError`` is told to the asker.
    ``cases``: draws one; None: none is shown.

    Raises :class:`PortTaken`.
    """

    def __init__(
        self, folder: Path, port: int, metrics: Metrics, answers: dict[str, Answer], cases: Drawn | None = None
    ) -> None:
        token = secrets.token_urlsafe(24)
        answers = {HELLO: lambda _: b"{}", **answers}
        self.http = Http(LOOPBACK, port, _handler(token, metrics, answers, cases), ANOTHER_PORT)
        self.port = self.http.server_port
        self.note = folder / NOTE
        write_private(self.note, msgspec.json.encode(Address(os.getpid(), self.port, token)))

    def close(self) -> None:
        self.http.close()
        self.note.unlink(missing_ok=True)


def _handler(token: str, metrics: Metrics, answers: dict[str, Answer], cases: Drawn | None) -> type[Handler]:
    class Asked(Handler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self.reply(200, *metrics(self.headers.get("Accept", "")))
            elif path in ("/live", "/ready"):
                self.reply(200, "text/plain", b"ok\n")
            elif path.startswith(CASE):
                self._draw(unquote(path.removeprefix(CASE)))
            else:
                self.reply(404, "text/plain", b"there are /metrics, /live, /ready and /explain/CASE\n")

        def _draw(self, case: str) -> None:
            if cases is None:
                self.reply(403, "text/plain", b"single cases are not shown here: start it with --cases\n")
            elif not self._authorized(basic=True):
                self.reply(401, "text/plain", NEEDS_TOKEN, {"WWW-Authenticate": 'Basic realm="crossdesk"'})
            else:
                try:
                    self.reply(200, "text/html; charset=utf-8", cases(case), AS_A_PAGE)
                except explain.NotThere as error:
                    self.reply(404, "text/plain; charset=utf-8", f"{error}\n".encode())

        def _authorized(self, *, basic: bool = False) -> bool:
            """``basic``: also as a browser says it: the token as the password of any name."""
            given = self.headers.get("Authorization", "").encode("utf-8", "replace")
            if basic and given.startswith(b"Basic "):
                given = b"Bearer " + _decoded(given.removeprefix(b"Basic ")).partition(b":")[2]
            return hmac.compare_digest(given, f"Bearer {token}".encode())

        def do_POST(self) -> None:
            length = int(given) if (given := self.headers.get("Content-Length", "")).isdecimal() else 0
            if not self._authorized():
                self.reply(401, "text/plain", NEEDS_TOKEN)
            elif self.path not in answers or not 0 < length <= LIMIT:
                self.reply(404, "text/plain", b"no such question\n")
            else:
                try:
                    question = json.loads(self.rfile.read(length))
                    if not isinstance(question, dict):
                        raise ValueError("ask with a JSON object")
                    self.reply(200, "application/json", answers[self.path](question))
                except ValueError as error:
                    self.reply(400, "text/plain; charset=utf-8", str(error).encode())

    return Asked


def _decoded(base64: bytes) -> bytes:
    try:
        return b64decode(base64, validate=True)
    except ValueError:
        return b""


def check_port(port: int) -> None:
    """Raises :class:`PortTaken` before hours of work, not after."""
    with socket() as trial:
        trial.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(port, error, ANOTHER_PORT) from error


def running(folder: Path) -> Address | None:
    """The process that serves this folder, if one does: what a dead one left behind is nobody's address."""
    try:
        address = msgspec.json.decode((folder / NOTE).read_bytes(), type=Address)
        ask(address, HELLO, {}, patience=5)
    except (OSError, ValueError, HTTPException):
        return None
    return address


def ask(address: Address, path: str, question: dict[str, Any], patience: float = 120) -> bytes:
    """Raises ``ValueError`` with what the process says, ``ConnectionError`` when it does not answer."""
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{address.port}{path}",
        data=json.dumps(question).encode(),
        headers={"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says
    try:
        with direct.open(request, timeout=patience) as response:
            body: bytes = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(error.read().decode()) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(f"the crossdesk with process id {address.pid} does not answer: {reason}") from None
    return body


# -- what is asked
def queried(store: ClickHouse, sql: str) -> bytes:
    """Columns and rows as JSON, in which what is no number is null. Raises ``sinks.store.StoreError``."""
    result = store.query(sql)
    return msgspec.json.encode({"columns": result.columns, "rows": result.rows}, enc_hook=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else str(value)


def set_aside(log: Log) -> bytes:
    """Every row and record that could not be read, as JSON."""
    return msgspec.json.encode([msgspec.Raw(r.value) for r in log.read("rejected", 0, 1 << 30)])


def copied(log: Log) -> bytes:
    """A copy of the log beside it, for whoever asks to read and remove: its name, as JSON. Raises ``ValueError``."""
    copy = log.path.with_name(f"{COPY}{secrets.token_hex(8)}.sqlite3")
    try:
        log.copy(copy)
    except LogError as error:
        copy.unlink(missing_ok=True)
        raise ValueError(str(error)) from error
    return msgspec.json.encode(copy.name)


def exporter_of(embedded: Embedded) -> Exporter:
    """All that is known, of who may be seen."""
    exporter = Exporter()
    values = embedded.indicators()
    pairs = [Pair(v.counterpart, v.department) for v in values if v.counterpart]
    hidden = embedded.configuration.hidden(embedded.as_of) if embedded.configuration and embedded.as_of else ()
    departments = {v.department for v in values}.union(
        embedded.configuration.departments if embedded.configuration else ()
    )
    exporter.retain(departments.difference(hidden), pairs)
    exporter.update(values)
    exporter.show_morale(exported(embedded.morale()))
    return exporter


def serve_until_stopped(embedded: Embedded, port: int, say: Callable[[int], None], *, cases: bool = False) -> None:
    """Answer Prometheus and the other commands until Ctrl-C or SIGTERM; ``say`` is told the port. ``cases``: draw single ones for a
    browser. Raises :class:`PortTaken`.
    """
    exporter = exporter_of(embedded)
    lock, stop = threading.Lock(), threading.Event()

    def of_store(answer: Callable[[ClickHouse], bytes]) -> bytes:
        with lock:
            try:
                if embedded.store is None:
                    raise ValueError("this process has no store")
                return answer(embedded.store)
            except StoreError as error:
                raise ValueError(str(error)) from error

    def answer_query(question: dict[str, Any]) -> bytes:
        return of_store(lambda store: queried(store, str(question.get("sql", ""))))

    def answer_reproduce(question: dict[str, Any]) -> bytes:
        return of_store(lambda store: reproduce.answer(store, lambda: embedded.log, question))

    def answer_explain(question: dict[str, Any]) -> bytes:
        with lock:
            return explain.answer(embedded.log, question)

    def answer_rejected(_: dict[str, Any]) -> bytes:
        with lock:
            return set_aside(embedded.log)

    def answer_configuration(_: dict[str, Any]) -> bytes:
        with lock:
            if embedded.configuration is None:
                raise ValueError("nothing is in force here yet: `crossdesk apply FOLDER`")
            return encode(embedded.configuration.files)

    def answer_copy(_: dict[str, Any]) -> bytes:
        with lock:
            return copied(embedded.log)

    def draw(case: str) -> bytes:
        with lock:
            return explain.answer(embedded.log, {"case": case, "html": True})

    answers = {
        "/query": answer_query,
        "/explain": answer_explain,
        "/rejected": answer_rejected,
        "/configuration": answer_configuration,
        "/copy": answer_copy,
        "/reproduce": answer_reproduce,
    }
    for left in embedded.folder.glob(f"{COPY}*"):  # by whoever was killed while reading it
        left.unlink()
    server = Server(embedded.folder, port, exporter.render, answers, draw if cases else None)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        say(server.port)
        stop.wait()
    finally:
        server.close()
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner may read, whole or not there."""
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    beside.replace(path)
