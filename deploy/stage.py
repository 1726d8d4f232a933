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


def log_to_stderr() -> None:
    """What people on call read. Of the client of Kafka, only what is wrong."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    logging.getLogger("crossdesk").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("crossdesk"))
