"""The HTTP intake: ``POST /hooks/{source}``. 202 only when what was told is durable; else an answer that says what to do.

Nothing of a body goes anywhere before its signature has been checked, and no body, header or address is logged.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest.connector import Connector, Document, Doorbell, Forged, Hook, Rejected
from ingest.webhooks.bodies import MAX_BODY_BYTES, MAX_DEPTH, check_content_type, too_deep, unpacked
from ingest.webhooks.committing import PATIENCE_SECONDS, ClosingSink, Committing, OpenIntake, place_of
from ingest.webhooks.rate import Bucket
from ingest.webhooks.replies import FORGERIES, REPLIES, Reason, Refusal

log = logging.getLogger("crossdesk.ingest")

AT_ONCE = 500
HELD_BYTES = 64 * MAX_BODY_BYTES
BODY_SECONDS = 10.0
DRAINED_BYTES = 8 * MAX_BODY_BYTES
AGAIN_SECONDS = 5.0
PER_SECOND = 500.0
BURST = 1_000.0


class HookSource(NamedTuple):
    """``secrets``: by any of them a webhook may be signed. ``open_intake`` makes its way to a sink that was opened, in the thread
    that uses it. ``ring`` is called for each case that changed, from the server's loop: it returns at once. No more than
    ``per_second`` webhooks are taken, ``burst`` at once.
    """

    connector: Connector
    secrets: Sequence[str]
    open_intake: OpenIntake
    ring: Callable[[str], None]
    per_second: float = PER_SECOND
    burst: float = BURST


class Told(NamedTuple):
    documents: Sequence[Document | Rejected]
    doorbells: Sequence[str]

    @property
    def reason(self) -> Reason:
        return Reason.rejected if any(isinstance(one, Rejected) for one in self.documents) else Reason.taken


class Hooks:
    """Takes webhooks of ``sources``, by their names, from :meth:`start` to :meth:`close`; a server runs :attr:`app`.

    ``open_sink`` is called again whenever the broker was away. No more than ``at_once`` webhooks are being worked on, with
    bodies of ``held_bytes`` together; a body may take ``body_seconds`` to come, and its acknowledgement ``patience`` seconds.
    ``now`` is in UTC.
    """

    def __init__(
        self,
        sources: Mapping[str, HookSource],
        open_sink: Callable[[], ClosingSink],
        *,
        at_once: int = AT_ONCE,
        held_bytes: int = HELD_BYTES,
        body_seconds: float = BODY_SECONDS,
        patience: float = PATIENCE_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.counts: dict[tuple[str, int, Reason], int] = defaultdict(int)
        """By source (empty: none of ours), status and reason, since the start."""
        self._ways = {name: _Way(source) for name, source in sources.items()}
        open_intakes = {name: source.open_intake for name, source in sources.items()}
        self._committing = Committing(open_sink, open_intakes, patience)
        self._room = _Room(at_once, held_bytes)
        self._body_seconds, self._now = body_seconds, now
        self.app = Starlette(routes=[Route("/hooks/{source}", self)])
        self.app.router.redirect_slashes = False

    def start(self) -> None:
        self._committing.start()

    def close(self) -> None:
        """After the server: what was accepted is still said."""
        self._committing.close()

    @property
    def away(self) -> str:
        """Why nothing can be taken; empty while it can."""
        return self._committing.away

    def oldest(self, source: str) -> datetime | None:
        """When the oldest webhook came that is signed and not answered yet. For any thread."""
        return min(list(self._ways[source].unanswered.values()), default=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["source"]
        known = name if name in self._ways else ""
        incoming, wait = _Incoming(receive), None
        try:
            reason = await self._reason(known, scope, incoming)
        except Refusal as refusal:
            reason, wait = refusal.reason, refusal.wait
            await self._heard(incoming)
        except Exception as error:  # noqa: BLE001  # a fault of ours must not be the sender's, nor show what it sent
            log.error("a webhook of %s failed: %s", known or "nobody", place_of(error))
            reason, wait = Reason.failed, AGAIN_SECONDS
        self.counts[known, REPLIES[reason].status, reason] += 1
        if reason is not Reason.gone:
            await _response(reason, wait)(scope, receive, send)

    async def _reason(self, source: str, scope: Scope, incoming: _Incoming) -> Reason:
        """How it was taken. Raises :class:`Refusal`."""
        if not source:
            raise Refusal(Reason.unknown)
        if scope["method"] != "POST":
            raise Refusal(Reason.method)
        headers = _headers(scope["headers"])
        check_content_type(headers)
        with _Place(self._room) as place:
            packed = await self._body(incoming, place)
            body = unpacked(packed, headers)
            place.holds(len(body) - len(packed))
            hook = Hook(headers, body, self._now())
            way = self._ways[source]
            way.limit(time.monotonic())
            way.verify(hook)
            return await self._told(source, way, hook)

    async def _body(self, incoming: _Incoming, place: _Place) -> bytes:
        chunks = []
        try:
            async with asyncio.timeout(self._body_seconds):
                while not incoming.ended:
                    chunk = await incoming.chunk()
                    if incoming.size > MAX_BODY_BYTES:
                        raise Refusal(Reason.size)
                    place.holds(len(chunk))
                    chunks.append(chunk)
        except TimeoutError:
            incoming.ended = True
            raise Refusal(Reason.slow) from None
        return b"".join(chunks)

    async def _told(self, source: str, way: _Way, hook: Hook) -> Reason:
        told = way.told(hook)
        way.unanswered[id(told)] = hook.at
        try:
            if told.documents:
                outcome = await self._committing.take(source, told.documents)
                if outcome is not Reason.taken:
                    raise Refusal(outcome, AGAIN_SECONDS)
            for subject in told.doorbells:
                way.source.ring(subject)
        finally:
            del way.unanswered[id(told)]
        return told.reason

    async def _heard(self, incoming: _Incoming) -> None:
        """Who still sends would not hear the answer: take the rest, and forget it."""
        with suppress(TimeoutError, Refusal):
            async with asyncio.timeout(self._body_seconds):
                while not incoming.ended and incoming.size <= DRAINED_BYTES:
                    await incoming.chunk()


class _Way:
    """Of one source."""

    def __init__(self, source: HookSource) -> None:
        self.source = source
        self.unanswered: dict[int, datetime] = {}
        self._secrets = [secret for secret in source.secrets if secret]  # by an empty one anybody can sign
        self._bucket = Bucket(source.per_second, source.burst)

    def limit(self, now: float) -> None:
        """Raises :class:`Refusal`."""
        wait = self._bucket.wait(now)
        if wait:
            raise Refusal(Reason.rate, wait)

    def verify(self, hook: Hook) -> None:
        """Raises :class:`Refusal`."""
        if not self._secrets:
            raise Refusal(Reason.secret)
        try:
            self.source.connector.verify(hook, self._secrets)
        except Forged as forged:
            raise Refusal(Reason(forged.reason) if forged.reason in FORGERIES else Reason.signature) from None

    def told(self, hook: Hook) -> Told:
        """What a webhook that was verified tells, or that it cannot be read: its source would else send it for ever."""
        if too_deep(hook.body):
            source = self.source.connector.source
            return Told([Rejected(source=source, reason=f"nested deeper than {MAX_DEPTH} levels")], [])
        told = list(self.source.connector.received(hook))
        doorbells = dict.fromkeys(one.subject for one in told if isinstance(one, Doorbell))
        return Told([one for one in told if not isinstance(one, Doorbell)], [*doorbells])


class _Incoming:
    """The body of a request, while it comes."""

    def __init__(self, receive: Receive) -> None:
        self.size, self.ended = 0, False
        self._receive = receive

    async def chunk(self) -> bytes:
        """The next part of it. Raises :class:`Refusal` where the sender goes away."""
        message = await self._receive()
        self.ended = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise Refusal(Reason.gone)
        chunk: bytes = message.get("body", b"")
        self.size += len(chunk)
        return chunk


class _Room:
    """How much more can be worked on at once, in webhooks and in bytes of their bodies."""

    def __init__(self, hooks: int, size: int) -> None:
        self.hooks, self.size = hooks, size


class _Place:
    """Of one webhook in it. Raises :class:`Refusal` where there is none."""

    def __init__(self, room: _Room) -> None:
        self._room, self._size = room, 0

    def holds(self, size: int) -> None:
        """So many bytes more."""
        if size > self._room.size:
            raise Refusal(Reason.busy, AGAIN_SECONDS)
        self._room.size -= size
        self._size += size

    def __enter__(self) -> _Place:
        if self._room.hooks < 1:
            raise Refusal(Reason.busy, AGAIN_SECONDS)
        self._room.hooks -= 1
        return self

    def __exit__(self, *_: object) -> None:
        self._room.hooks += 1
        self._room.size += self._size


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """By name in lower case; what is there twice is one, with a comma between, as HTTP has it."""
    found: dict[str, str] = {}
    for name, value in raw:
        known, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[known] = f"{found[known]}, {text}" if known in found else text
    return found


def _response(reason: Reason, wait: float | None) -> PlainTextResponse:
    status, text = REPLIES[reason]
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    if reason is Reason.method:
        headers["Allow"] = "POST"
    return PlainTextResponse(f"{text}\n", status, headers)
