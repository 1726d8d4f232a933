"""How often something may happen: a bucket from which each takes a token, and which fills again as time goes on."""

from __future__ import annotations


class Bucket:
    """Holds ``burst`` tokens at most, at first that many, and gets ``per_second`` of them. ``now`` is in seconds of a clock
    that only goes on.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a bucket gets more than 0 tokens a second, and has room for at least one")
        self._per_second, self._burst = per_second, burst
        self._tokens, self._seen = burst, 0.0

    def wait(self, now: float) -> float:
        """Take a token: 0. There is none: so many seconds until there will be one."""
        self._tokens = min(self._burst, self._tokens + max(now - self._seen, 0.0) * self._per_second)
        self._seen = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_second
