"""Waiting for a stage, to within a few hundredths of a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.kafka import BenchmarkError
from on_kafka import Process

EVERY_SECONDS = 0.03
PATIENCE = 300.0


def wait_until(fulfilled: Callable[[], bool], what: str, process: Process, seconds: float = PATIENCE) -> float:
    """When (``time.monotonic``) it is. Raises :class:`bench.kafka.BenchmarkError` where the process ends before, or it takes too
    long.
    """
    until = time.monotonic() + seconds
    while not fulfilled():
        if process.process.poll() is not None:
            raise BenchmarkError(f"it ended before {what}:\n{process.said()[-2000:]}")
        if time.monotonic() > until:
            raise BenchmarkError(f"after {seconds:.0f} s still not {what}:\n{process.said()[-2000:]}")
        time.sleep(EVERY_SECONDS)
    return time.monotonic()


def ready(process: Process) -> float:
    """When it is."""
    return wait_until(lambda: process.asked("/ready")[0] == 200, "ready", process)
