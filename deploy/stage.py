"""A stage as a process: its work in a thread, a look at it every second, and an end that does not wait for ever."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from threading import Event, Thread

LOOK_EVERY = 1.0
END_SECONDS = 8.0


def run_until_stopped(
    work: Callable[[Event], None], look: Callable[[float], None], patience: float = END_SECONDS
) -> bool:
    """Runs ``work`` until SIGTERM or SIGINT, or until it fails: then raises what it failed with. ``work`` ends when its event is
    set: whether it did within ``patience`` seconds. ``look`` is told the time, in seconds that only go on.
    """
    stop, failed = Event(), list[BaseException]()

    def run() -> None:
        try:
            work(stop)
        except BaseException as error:  # noqa: BLE001  # raised by whoever waits for the end
            failed.append(error)
        finally:
            stop.set()

    thread = Thread(target=run, name="work", daemon=True)
    before = _on_signals(stop)
    try:
        thread.start()
        while not stop.wait(LOOK_EVERY):
            look(time.monotonic())
        thread.join(patience)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failed:
        raise failed[0]
    return not thread.is_alive()


def _on_signals(stop: Event) -> dict[int, Callable[..., object] | int | None]:
    """Tests run it in threads, which hear no signals."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}


class Seldom(logging.Filter):
    """What we say always passes. Of the libraries below us passes what is wrong, and the same of it once a minute: a client of
    Kafka says many times a second that a broker is away.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self.seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("crossdesk"):
            return True
        what = (record.name, str(record.msg))
        seldom = record.created - self._said.get(what, float("-inf")) >= self.seconds
        if record.levelno < logging.WARNING or not seldom:
            return False
        self._said[what] = record.created
        record.exc_info = None  # where in the library it was is nobody's concern here
        return True


def log_to_stderr() -> None:
    """What people on call read."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(Seldom())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # it warns of every tenth of a second
