"""What every stage says about itself over HTTP: ``/live``, ``/ready`` and ``/metrics``.

A check is a function that says why not, or nothing. Not live or not ready is answered with 503 and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deploy.http_server import Handler, Http, Metrics
from sinks.prometheus import Exporter

STUCK_SECONDS = 60.0
UNSEEN_SECONDS = 10.0

Check = Callable[[], str]
Offsets = Mapping[tuple[str, int], tuple[int, int]]
"""Of each partition of a topic: where the stage goes on (what it has committed), and where the partition ends."""


def fine() -> str:
    return ""


class HealthServer:
    """Serves until :meth:`close`. ``port``: 0 for any free one. Raises :class:`deploy.http_server.PortTaken`."""

    def __init__(
        self, host: str, port: int, metrics: Metrics, live: Check = fine, ready: Check = fine, *, variable: str = ""
    ) -> None:
        """``variable``: of the environment, that says another port."""
        mend = f"name another with {variable}" if variable else "choose another"
        self._http = Http(host, port, _handler(metrics, {"/live": live, "/ready": ready}), mend)
        self.port = self._http.server_port

    def close(self) -> None:
        self._http.close()


def _handler(metrics: Metrics, checks: Mapping[str, Check]) -> type[Handler]:
    class Asked(Handler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.reply(200, *metrics(self.headers.get("Accept", "")))
            elif self.path in checks:
                reason = checks[self.path]()
                self.reply(503 if reason else 200, "text/plain; charset=utf-8", f"{reason or 'ok'}\n".encode())
            else:
                self.reply(404, "text/plain", b"there are /metrics, /live and /ready\n")

    return Asked


class Moving:
    """Whether committed offsets advance while there is lag, in each partition. ``now`` is in seconds of a clock that only goes on
    (also while the process is stopped). Whoever looks calls :meth:`saw` every second or so.

    A process that was stopped is not ready before it has moved, or has seen that there is nothing to do: so long as it was away
    it knows nothing, and its partitions may be another's.
    """

    def __init__(self, now: float, stuck: float = STUCK_SECONDS, unseen: float = UNSEEN_SECONDS) -> None:
        self.stuck, self.unseen = stuck, unseen
        self._seen = self._moved = now
        self._committed: dict[tuple[str, int], int] = {}
        self._still: dict[tuple[str, int], float] = {}
        """Of each partition with lag: since when it has not moved."""
        self._lag = 0
        self._was_away = False

    def saw(self, now: float, offsets: Offsets) -> None:
        if now - self._seen > self.unseen:
            self._was_away = True
        self._seen = now
        self._lag = sum(max(end - committed, 0) for committed, end in offsets.values())
        known = self._committed
        moved = {p for p, (committed, _) in offsets.items() if committed > known.get(p, committed)}
        waits = {p for p, (committed, end) in offsets.items() if end > committed}
        self._still = {p: now if p in moved else self._still.get(p, now) for p in waits}
        self._committed = {partition: committed for partition, (committed, _) in offsets.items()}
        if moved or not self._lag:
            self._moved, self._was_away = now, False

    def reason(self, now: float) -> str:
        """Why it is not ready, or nothing."""
        if now - self._seen > self.unseen:
            return f"nobody has looked for {now - self._seen:.0f} s: the process was stopped, or hangs"
        if self._was_away:
            return f"the process was stopped, and has not moved since; {self._lag:,} records wait"
        if now - self._moved > self.stuck:
            return f"{self._lag:,} records wait, and no offset was committed for {now - self._moved:.0f} s"
        for (topic, partition), since in self._still.items():
            if now - since > self.stuck:
                return (
                    f"records of {topic}, partition {partition}, wait, and none was committed for {now - since:.0f} s"
                )
        return ""


class Lag:
    """How far a stage is behind, in its metrics."""

    def __init__(self, exporter: Exporter) -> None:
        text = "Records that are in the partition and not behind us yet."
        self._level = exporter.level("consumer_lag_records", text, ("topic", "partition"))
        self._shown: set[tuple[str, int]] = set()

    def saw(self, offsets: Offsets) -> None:
        for (topic, partition), (committed, end) in offsets.items():
            self._level.set(max(end - committed, 0), topic=topic, partition=str(partition))
        for topic, partition in self._shown - offsets.keys():
            self._level.forget(topic=topic, partition=str(partition))
        self._shown = set(offsets)
