"""What goes wrong between a client and a fake, by a plan that a seed makes: it can be changed at any time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MINUTE = 60.0


@dataclass
class Faults:
    """Shares of requests: ``errors`` are answered 500, ``cut``: the connection breaks in the middle of the answer, ``slow``: it
    takes ``seconds``. ``per_minute``: more requests are answered 429 (0: any number). ``expires_after``: so many requests
    later the secret is no longer good (0: never). Shares of webhooks: ``drop`` are never sent, ``double`` are sent twice, ``late``
    only after all others.
    """

    errors: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    seconds: float = 0.2
    per_minute: int = 0
    expires_after: int = 0
    drop: float = 0.0
    double: float = 0.0
    late: float = 0.0
    seed: int = 1
    _requests: Random = field(init=False, repr=False)
    _hooks: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._requests, self._hooks = Random(f"requests {self.seed}"), Random(f"hooks {self.seed}")

    def request(self) -> str:
        """What happens to the next one: ``error``, ``cut``, ``slow`` or nothing."""
        return _drawn(self._requests.random(), {"error": self.errors, "cut": self.cut, "slow": self.slow})

    def hook(self) -> str:
        """What happens to the next one: ``drop``, ``double``, ``late`` or nothing."""
        return _drawn(self._hooks.random(), {"drop": self.drop, "double": self.double, "late": self.late})


class Gate:
    """In front of a fake: whom it knows, how often it may be asked, and its faults. ``answered`` counts answers by their status."""

    def __init__(self, app: ASGIApp, faults: Faults, knows: Callable[[Headers], bool]) -> None:
        self._app, self._faults, self._knows = app, faults, knows
        self.answered: dict[int, int] = {}
        self.expired = False
        self._since, self._asked = -MINUTE, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self.answered[status] = self.answered.get(status, 0) + 1
            await send(message)

        if wait := self._wait():
            limit = [(b"retry-after", str(wait).encode())]
            await _refuse(counted, 429, "Number of allowed requests per minute exceeded", limit)
        elif not self._is_known(scope):
            await _refuse(counted, 401, "Couldn't authenticate you")
        else:
            await self._answer(scope, receive, counted)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.request()
        if fault == "error":
            await _refuse(send, 500, "Internal server error")
            return
        if fault == "slow":
            await asyncio.sleep(self._faults.seconds)
        await self._app(scope, receive, _cutting(send) if fault == "cut" else send)

    def _wait(self) -> int:
        """How many seconds until the next request is answered."""
        now = time.monotonic()
        if now - self._since >= MINUTE:
            self._since, self._asked = now, 0
        self._asked += 1
        over = 0 < self._faults.per_minute < self._asked
        return int(self._since + MINUTE - now) + 1 if over else 0

    def _is_known(self, scope: Scope) -> bool:
        if self._faults.expires_after:
            self._faults.expires_after -= 1
            self.expired = self.expired or not self._faults.expires_after
            return self._knows(Headers(scope=scope))
        return not self.expired and self._knows(Headers(scope=scope))


def _cutting(send: Send) -> Send:
    """Half of the body, and no end: the server closes the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": message["body"][: len(message["body"]) // 2], "more_body": True}
        await send(message)

    return cut


async def _refuse(send: Send, status: int, reason: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = msgspec.json.encode({"error": reason})
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": kind + (headers or [])})
    await send({"type": "http.response.body", "body": body})


def _drawn(chance: float, shares: dict[str, float]) -> str:
    for name, share in shares.items():
        if chance < share:
            return name
        chance -= share
    return ""
