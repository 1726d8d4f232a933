"""A ClickHouse server for the tests (clickhouse_server.py), in a process of its own: start it, stop it, let it misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from deploy.kafka.broker import free_port

PROGRAM = Path(__file__).with_name("clickhouse_server.py")
USER = "crossdesk"
PASSWORD = "s3cret/of:the@store"
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class ClickHouseServer:
    """What it holds lies in ``folder``, also after it was killed. It keeps its port."""

    def __init__(self, folder: Path, *, user: str = USER, password: str = PASSWORD) -> None:
        self.folder, self.user, self.password = folder, user, password
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def dsn(self, **options: object) -> str:
        """``options`` are the driver's: ``compress="gzip"``, ``send_receive_timeout=1``."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"clickhouse://{who}@127.0.0.1:{self.port}/?{urlencode(options)}"

    # -- life
    def start(self) -> None:
        command = [sys.executable, str(PROGRAM), str(self.folder), "--port", str(self.port)]
        self._process = subprocess.Popen([*command, "--user", self.user, "--password", self.password])
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop(kill=True)
                raise RuntimeError(f"{PROGRAM.name} did not start; it says above why")
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """In order, or (``kill``) as a power cut would."""
        if self._process is None:
            return
        if not kill:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what it is told
    def misbehave(self, what: str, times: int = 1, seconds: float = 0.0) -> None:
        """The next ``times`` inserts go wrong: faults_of_inserts.py says how."""
        self._post("/faults?" + urlencode({"what": what, "times": times, "seconds": seconds}))

    def wait_until_quiet(self) -> None:
        """All faults have happened, and whatever was late is done."""
        while any(json.loads(self._get("/faults")).values()):
            time.sleep(0.02)

    def forget_everything(self) -> None:
        """What it holds, and what it was told."""
        self.misbehave("error", times=0)
        theirs = "('system', 'default', 'information_schema', 'INFORMATION_SCHEMA')"
        for database in self.ask(f"SELECT name FROM system.databases WHERE name NOT IN {theirs}").split():
            self.ask(f"DROP DATABASE `{database}` SYNC")

    def ask(self, statement: str, *, password: str = "") -> str:
        """Without the driver. Raises urllib's HTTPError."""
        return self._post("/", statement, {"Authorization": basic(self.user, password or self.password)})

    def _post(self, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> str:
        request = Request(self.address + path, body.encode(), dict(headers or {}), method="POST")
        with urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def _get(self, path: str) -> str:
        with urlopen(self.address + path, timeout=60) as answer:
            return str(answer.read().decode())

    def _answers(self) -> bool:
        with suppress(OSError):
            return self._get("/ping") == "Ok.\n"
        return False


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
