"""How a process that holds much asks for memory, and how rarely it looks for what nobody needs any more."""

from __future__ import annotations

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc
KEPT_BYTES = 256 * 1024 * 1024


def collect_rarely() -> None:
    """Of millions of records hardly anything is in a cycle, and looking for cycles takes some percent of the time."""
    gc.set_threshold(100_000, 50, 100)


def keep_freed() -> None:
    """What is fetched comes in buffers of some MiB, which the C library would ask the system for and give back each time, filled
    with zeros page by page; and each thread would have a heap of its own, though only one runs at a time. Before threads start.
    Recovering state takes 13 s instead of 18. Another C library than glibc does as it likes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
