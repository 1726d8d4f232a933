"""The API of a source over HTTP, with patience: what passes is waited out, a budget is kept, what waiting does not mend is said.

It is what a connector is given as :class:`ingest.connector.Api`.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import Any, Self

import httpx
import msgspec

from ingest.connector import Refused

log = logging.getLogger("crossdesk.ingest")
logging.getLogger("httpx").setLevel(logging.WARNING)  # it says whole addresses, and some sources want a token in theirs

TIMEOUT_SECONDS = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
TRIES = 6
FIRST_REST, LONGEST_REST = 0.5, 60.0
LONGEST_ASKED = 3_600.0
TOO_MANY = 429
MINUTE = 60.0

Rest = Callable[[float], bool]
"""Waits so many seconds; true when we are to stop."""


class SourceDown(Exception):
    """It did not answer, or only with errors of its own, however often it was asked: try again later."""


class Stopped(Exception):
    """We were stopped while we waited."""


class Budget:
    """At most ``per_minute`` requests in any minute, evenly, whoever asks: others use the same limit. ``now`` in seconds."""

    def __init__(self, per_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._apart, self._now, self._next = MINUTE / per_minute, now, now()
        self._lock = Lock()

    def wait(self) -> float:
        """So many seconds until the next may be sent, which is reserved."""
        with self._lock:
            now = self._now()
            at = max(self._next, now)
            self._next = at + self._apart
        return at - now


class HttpApi:
    """``headers`` carry the credentials, which no message shows. Raises, besides :class:`ingest.connector.Refused`,
    :class:`SourceDown` and :class:`Stopped`.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], budget: Budget, rest: Rest, *, ca_file: Path | None = None
    ) -> None:
        self._budget, self._rest, self._random = budget, rest, random.Random()
        context = ssl.create_default_context(cafile=ca_file) if url.startswith("https") else False
        self._client = httpx.Client(
            base_url=url, headers=dict(headers), timeout=TIMEOUT_SECONDS, verify=context, trust_env=False
        )

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        return self._asked("GET", path, query, None)

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:
        return self._asked("POST", path, query, msgspec.json.encode(body))

    def _asked(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Any:
        what = f"{method} {path}"
        for number in range(TRIES):
            self._wait(self._budget.wait())
            asked: float | None = None
            try:
                status, headers, content = self._once(method, path, query, body)
            except httpx.HTTPError as error:
                why = f"{type(error).__name__}: {error}"
            else:
                why = f"answered {status}"
                if 200 <= status < 300:
                    try:
                        return msgspec.json.decode(content)
                    except msgspec.DecodeError as error:
                        why = f"answered what is no JSON: {error}"
                elif status < 500 and status != TOO_MANY:
                    raise Refused(status, f"{what}: {_reason(status, headers)}")
                asked = retry_after(headers, time.time())
            if number + 1 < TRIES:
                pause = self._pause(number) if asked is None else min(asked, LONGEST_ASKED)
                log.info("%s %s; asking again in %.1f s", what, why, pause)
                self._wait(pause)
        raise SourceDown(f"{what} {why}, {TRIES} times in a row")

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        with self._client.stream(method, path, params=dict(query), content=body, headers=headers) as answer:
            content = bytearray()
            for part in answer.iter_bytes():
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise SourceDown(f"{method} {path} answered more than {LARGEST_ANSWER >> 20} MiB")
            return answer.status_code, answer.headers, bytes(content)

    def _pause(self, number: int) -> float:
        """Longer each time, and never at the same moment as others."""
        return min(LONGEST_REST, FIRST_REST * 2.0**number) * self._random.uniform(0.5, 1.0)

    def _wait(self, seconds: float) -> None:
        if self._rest(seconds):
            raise Stopped

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """In seconds; the header has seconds, or a date (RFC 9110, 10.2.3). ``now``: seconds since 1970."""
    given = headers.get("retry-after", "").strip()
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - now)
    except ValueError:
        return None


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if status in (301, 302, 307, 308):
        return f"it moved to {headers.get('location', '?').partition('?')[0]}; name that address in `url`"
    known = {
        401: "it does not know us: the token in `secret_file` is wrong or has expired",
        403: "we may not see that: the page of the connector names the rights that it needs",
        404: "there is nothing: is `url` right?",
    }
    return known.get(status, "it does not accept what we ask")
