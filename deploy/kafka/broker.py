"""Start and stop a broker: fetch its jars, write its properties, format its folder, run it, and wait until it answers."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

VERSION = "4.1.0"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
HEAP = "512m"
PORTS = (20_000, 32_000)
CLUSTER = urlsafe_b64encode(b"crossdesk, alone").decode().rstrip("=")
POM = Path(__file__).with_name("pom.xml")


class BrokerError(Exception):
    """It cannot be started or stopped; the message says what to do."""


class Broker:
    """One node, which is broker and controller. Everything of it lies in ``folder``; ``properties`` come on top of ours.
    ``secured``: the security protocol of a second listener, called SECURED, which the properties then say more about.

    It goes on when the process that started it ends: whoever opens the same folder may stop it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        version: str = VERSION,
        properties: Mapping[str, str] | None = None,
        secured: str = "",
    ) -> None:
        self.folder, self.version, self.secured = folder.resolve(), version, secured
        self.secured_port = free_port() if secured else 0
        self.port = port or self._known_port() or free_port()
        self.more = dict(properties or {})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    # -- life
    def start(self) -> None:
        """Raises :class:`BrokerError`, also where it runs already."""
        if self.pid() is not None:
            raise BrokerError(f"a broker runs in {self.folder} already, at {self.address}")
        if answers(self.port):
            raise BrokerError(f"another broker answers at {self.address} already: give this one another --port")
        jars = fetched(self.version)
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self._settings
        settings.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        options = [f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        java = [_program("java", "default-jre-headless"), *options, "-cp", f"{jars}/*"]
        if not (self.folder / "data" / "meta.properties").exists():
            _run([*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(settings)], "format its folder")
        self._pid_file.write_text(_detached([*java, "kafka.Kafka", str(settings)], self.log))
        until = time.monotonic() + START_SECONDS
        while not answers(self.port):
            if self.pid() is None or time.monotonic() > until:
                self.stop()
                raise BrokerError(
                    f"Kafka {self.version} did not start; the end of {self.log} says why:\n{self._last_lines()}"
                )
            time.sleep(0.1)

    def stop(self, *, kill: bool = False) -> None:
        """In order, or (``kill``) as a power cut would. Nothing where it does not run."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            while self.pid() is not None:
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)

    def pid(self) -> int | None:
        """Of the running broker. The number alone may be another process's by now."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if (
                not command
            ):  # a program that is being replaced by another has none for a moment, and a dead one for good
                time.sleep(0.05)
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self._settings).encode() in command.split(b"\0") else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- its files
    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    def _known_port(self) -> int | None:
        with suppress(OSError, StopIteration, ValueError):
            lines = self._settings.read_text().splitlines()
            listeners = next(line for line in lines if line.startswith("advertised.listeners="))
            return int(listeners.split("PLAINTEXT://127.0.0.1:")[1].split(",")[0])
        return None

    def _properties(self) -> dict[str, str]:
        controller = free_port()
        ours = f"PLAINTEXT://127.0.0.1:{self.port}"
        protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        if self.secured:
            ours += f",SECURED://127.0.0.1:{self.secured_port}"
            protocols += f",SECURED:{self.secured}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{ours},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": ours,
            "listener.security.protocol.map": protocols,
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            **self.more,
        }

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])


# -- what it is made of


def fetched(version: str) -> Path:
    """The folder with the jars of that version; Maven fetches them once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossdesk"
    jars = cache / f"kafka-{version}"
    if jars.exists():
        return jars
    maven = _program("mvn", "maven")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # others may be about to do the same
        if not jars.exists():
            new = cache / f"new-{os.getpid()}"
            into = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={new}"]
            _run([maven, "-q", "-B", "-f", str(POM), f"-Dkafka.version={version}", *into], f"fetch Kafka {version}")
            new.rename(jars)
    return jars


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BrokerError(f"'{name}' is not there. On Debian: apt-get install --no-install-recommends {package}")
    return found


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"could not {what}: {command[0]} says\n{(done.stdout + done.stderr).strip()[-2000:]}")


def _detached(command: list[str], log: Path) -> str:
    """The number of a process that runs on when this one ends, and is nobody's child here."""
    script = '"$@" >>"$0" 2>&1 </dev/null & echo $!'
    started = subprocess.run(
        ["sh", "-c", script, str(log), *command], stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    return started.stdout.strip()


def free_port() -> int:
    """Below those that the system gives to whoever connects: one of these could be taken before the broker listens there."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    """Whether a broker there says which requests it understands: it does when it is ready."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(8)) == 8
    except OSError:
        return False
