"""A ClickHouse server in small: of its HTTP interface as much as clickhouse-connect uses, with chDB behind it.

    python tests/clickhouse_server.py FOLDER --port 8123 --user crossdesk --password secret

Statements, their errors and what is stored are the real engine's. Status codes, headers and the texts that only a server says are
written here as ClickHouse has them. ``POST /faults?what=hang&times=2&seconds=3`` lets the next inserts go wrong.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGTERM, signal
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame  # type: ignore[import-untyped]
from faults_of_inserts import NO_FAULT, Fault, Faults

# A server's caches would grow to gigabytes.
ENGINE = "max_threads=2&mark_cache_size=33554432&index_mark_cache_size=1048576&primary_index_cache_size=33554432"
VERSION = "26.9.2.1 (official build)"

# What stands in the address and is no setting.
OF_HTTP = {"query", "database", "query_id", "session_id", "wait_end_of_query", "client_protocol_version"}

_NAMES = {
    HTTPStatus.BAD_REQUEST: "BAD_ARGUMENTS SYNTAX_ERROR TYPE_MISMATCH INCORRECT_DATA ILLEGAL_COLUMN CANNOT_PARSE_TEXT",
    HTTPStatus.UNAUTHORIZED: "REQUIRED_PASSWORD",
    HTTPStatus.FORBIDDEN: "AUTHENTICATION_FAILED UNKNOWN_USER ACCESS_DENIED",
    HTTPStatus.NOT_FOUND: "UNKNOWN_TABLE UNKNOWN_DATABASE UNKNOWN_IDENTIFIER UNKNOWN_FUNCTION UNKNOWN_SETTING UNKNOWN_FORMAT",
    HTTPStatus.REQUEST_TIMEOUT: "TIMEOUT_EXCEEDED",
    HTTPStatus.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
}
STATUS = {name: status for status, names in _NAMES.items() for name in names.split()}
"""Of the errors that are not answered with 500."""

Codec = Callable[[bytes], bytes]
PACK: dict[str, Codec] = {"lz4": lz4.frame.compress, "gzip": gzip.compress}
UNPACK: dict[str, Codec] = {"lz4": lambda packed: b"".join(frames(packed)), "gzip": gzip.decompress}

_INSERT = re.compile(rb"\s*(INSERT\s+INTO\s[^;]*?)\sFORMAT\s+(\w+)[ \t\f]*\r?\n?", re.IGNORECASE)
_FORMAT = re.compile(rb"\sFORMAT\s+(\w+)\s*$", re.IGNORECASE)
_ROWS = re.compile(rb"\s*\(*\s*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN)\b", re.IGNORECASE)


class Refused(Exception):
    """In ClickHouse's words: ``Code: 62. DB::Exception: what is wrong. (SYNTAX_ERROR)``."""


class Question(NamedTuple):
    """``sent`` is the statement, and behind it what it inserts."""

    sent: bytes
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]


class Engine:
    """chDB. Each question has a connection of its own: settings and database hold for one question only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._kept_open = chdb.connect(f"{self.folder}/store?{ENGINE}")  # type: ignore[no-untyped-call]

    def answer(self, question: Question) -> bytes:
        """Raises :class:`Refused`."""
        connection = chdb.connect(f"{self.folder}/store")  # type: ignore[no-untyped-call]
        try:
            if question.database:
                connection.query(f"USE `{question.database}`")
            if question.settings:  # in one statement: after `readonly` nothing may be set
                connection.query("SET " + ", ".join(f"{k} = {quoted(v)}" for k, v in question.settings.items()))
            insert = _INSERT.match(question.sent)
            if insert is None:
                answered = connection.query(question.sent, "TabSeparated", params=dict(question.parameters))
                return bytes(answered.bytes())
            with tempfile.NamedTemporaryFile(dir=self.folder) as file:  # a statement is text, and this is none
                file.write(question.sent[insert.end() :])
                file.flush()
                into, form = insert[1].decode(), insert[2].decode()
                connection.query(
                    f"{into} FROM INFILE {quoted(file.name)} FORMAT {form}", params=dict(question.parameters)
                )
            return b""
        except RuntimeError as error:
            raise Refused(str(error)) from error
        finally:
            connection.close()

    def close(self) -> None:
        self._kept_open.close()


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def frames(packed: bytes) -> list[bytes]:
    """The driver makes a frame of each block."""
    found = []
    while packed:
        frame = lz4.frame.LZ4FrameDecompressor()
        found.append(frame.decompress(packed))
        packed = frame.unused_data or b""
    return found


class Server(ThreadingHTTPServer):
    def __init__(self, port: int, engine: Engine, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine, self.user, self.password = engine, user, password
        self.faults = Faults()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has gone, and hears of nothing
            super().handle()

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/faults":
            self._say(HTTPStatus.OK, json.dumps(self.server.faults.ahead()).encode())
        else:
            self._say(HTTPStatus.OK, b"Ok.\n")

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        asked = dict(parse_qsl(address.query, keep_blank_values=True))
        if address.path == "/faults":
            fault = Fault(asked["what"], float(asked.get("seconds", 0)))
            self.server.faults.plan(fault, int(asked["times"]))
            self._say(HTTPStatus.OK, b"")
        elif self.headers.get("Content-Type") == "application/octet-stream":
            with self.server.faults.next() as fault:
                self._ask(asked, fault)
        else:
            self._ask(asked, NO_FAULT)

    def _ask(self, asked: dict[str, str], fault: Fault) -> None:
        if fault.what == "cut_reading":
            self.rfile.read1(200)
            self.close_connection = True
            return
        body = self._body()
        time.sleep(fault.seconds)
        if fault.what == "error":
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, b"<html>Internal Server Error</html>\n")
            return
        try:
            self._authenticate()
            if fault.what == "full":
                raise Refused("Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")
            question = self._question(asked, body)
            answer = self.server.engine.answer(question)
        except Refused as refused:
            self._refuse(str(refused))
            return
        if fault.what == "cut_answering":
            self.close_connection = True
            return
        self._hand_out(asked, question.sent, answer)

    # -- what is asked
    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._exactly(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self._line(), 16):
            chunks.append(self._exactly(size))
            self._line()
        self._line()
        return b"".join(chunks)

    def _exactly(self, size: int) -> bytes:
        """Half an insert is none."""
        read = self.rfile.read(size)
        if len(read) < size:
            raise ConnectionAbortedError
        return read

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise ConnectionAbortedError
        return line

    def _authenticate(self) -> None:
        _, _, sent = self.headers.get("Authorization", "").partition("Basic ")
        user, _, password = b64decode(sent).decode().partition(":") if sent else ("default", "", "")
        if (user, password) != (self.server.user, self.server.password):
            raise Refused(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user"
                " with such name. (AUTHENTICATION_FAILED)"
            )

    def _question(self, asked: Mapping[str, str], body: bytes) -> Question:
        encoding = self.headers.get("Content-Encoding", "")
        if encoding and encoding not in UNPACK:
            raise Refused(
                f"Code: 89. DB::Exception: Unknown compression method: {encoding}. (UNKNOWN_COMPRESSION_METHOD)"
            )
        unpacked = UNPACK[encoding](body) if encoding else body
        sent = asked["query"].encode() + b"\n" + unpacked if "query" in asked else unpacked
        parameters = {name.removeprefix("param_"): asked[name] for name in asked if name.startswith("param_")}
        settings = {k: v for k, v in asked.items() if k not in OF_HTTP and not k.startswith("param_")}
        return Question(sent, asked.get("database", ""), settings, parameters)

    # -- what is answered
    def _hand_out(self, asked: Mapping[str, str], statement: bytes, answer: bytes) -> None:
        headers = {"X-ClickHouse-Query-Id": asked.get("query_id", ""), "X-ClickHouse-Timezone": "UTC"}
        if _ROWS.match(statement):
            form = _FORMAT.search(statement)
            headers["X-ClickHouse-Format"] = form[1].decode() if form else "TabSeparated"
        accepted = re.split(r"\s*,\s*", self.headers.get("Accept-Encoding", ""))
        if asked.get("enable_http_compression") == "1" and (known := [name for name in accepted if name in PACK]):
            headers["Content-Encoding"], answer = known[0], PACK[known[0]](answer)
        self._say(HTTPStatus.OK, answer, headers)

    def _refuse(self, text: str) -> None:
        code, names = re.search(r"Code: (\d+)", text), re.findall(r"\(([A-Z][A-Z0-9_]+)\)", text)
        status = STATUS.get(names[-1] if names else "", HTTPStatus.INTERNAL_SERVER_ERROR)
        headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1002"}
        self._say(status, f"{text} (version {VERSION})\n".encode(), headers)

    def _say(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    options = argparse.ArgumentParser(description="ClickHouse's HTTP interface, with chDB behind it.")
    options.add_argument("folder", type=Path)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--user", default="default")
    options.add_argument("--password", default="")
    said = options.parse_args()
    signal(SIGTERM, lambda *_: sys.exit())
    engine = Engine(said.folder)
    try:
        with Server(said.port, engine, said.user, said.password) as server:
            server.serve_forever()
    finally:
        engine.close()


if __name__ == "__main__":
    main()
