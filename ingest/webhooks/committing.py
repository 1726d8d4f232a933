"""Many say at once, and one thread settles for all: it owns the sink, takes whatever waits, says it, and settles once.

While the broker is away nothing waits for it: what comes is refused at once, and the sink is opened anew until that succeeds.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from asyncio import AbstractEventLoop, Future
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple, Protocol

from ingest.answers.store import AnswersError
from ingest.broker import BrokerUnavailable
from ingest.connector import Document, Rejected
from ingest.intake import Intake, Sink
from ingest.webhooks.replies import Reason

log = logging.getLogger("crossdesk.ingest")

AGAIN_SECONDS = 1.0
PATIENCE_SECONDS = 8.0
"""Senders give up after 10 seconds and more: they are to hear that it failed."""
CLOSE_SECONDS = 30.0
UNASKED = "the broker has not been asked yet"


class ClosingSink(Sink, Protocol):
    """Has a connection, as ``ingest.publish.Publisher``."""

    def close(self) -> None: ...


OpenIntake = Callable[[Sink], Intake]
"""Makes a source's way to a sink that was opened anew."""


class Waiting(NamedTuple):
    source: str
    documents: Sequence[Document | Rejected]
    outcome: Future[Reason]


Outcome = tuple[Waiting, Reason]


class Committing:
    """From :meth:`start` to :meth:`close`, for the sources that ``open_intakes`` names."""

    def __init__(
        self,
        open_sink: Callable[[], ClosingSink],
        open_intakes: Mapping[str, OpenIntake],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``patience``: seconds that one waits for its acknowledgement."""
        self.away = UNASKED
        """Why nothing can be taken; empty while it can."""
        self._open_sink, self._open_intakes, self._patience = open_sink, open_intakes, patience
        self._changed = Condition()
        self._waiting: list[Waiting] = []
        self._closing = False
        self._thread = Thread(target=self._run, name="committing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What waits is still said."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)

    async def take(self, source: str, documents: Sequence[Document | Rejected]) -> Reason:
        """``taken`` when what they mean is durable; else ``broker`` or ``failed``: part of it may be there, all may come again."""
        one = Waiting(source, documents, asyncio.get_running_loop().create_future())
        with self._changed:
            if self.away or self._closing:
                return Reason.broker
            self._waiting.append(one)
            self._changed.notify()
        try:
            async with asyncio.timeout(self._patience):
                return await one.outcome
        except TimeoutError:
            return Reason.broker

    # -- the thread
    def _run(self) -> None:
        while not self._closing:
            try:
                with closing(self._open_sink()) as sink:
                    self._rounds({name: opened(sink) for name, opened in self._open_intakes.items()})
            except Exception as error:  # noqa: BLE001  # the thread outlives whatever it is
                self._lost(error)
            self._pause()

    def _rounds(self, intakes: Mapping[str, Intake]) -> None:
        """Until it is closed and nothing waits. Raises what the sink raises."""
        self._back()
        while waiting := self._all_that_wait():
            try:
                outcomes = _committed(waiting, intakes)
            except Exception as error:
                self._lost(error)
                _resolve((one, Reason.broker) for one in waiting)
                raise
            _resolve(outcomes)

    def _all_that_wait(self) -> list[Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            waiting, self._waiting = self._waiting, []
        return waiting

    def _back(self) -> None:
        with self._changed:
            was_lost, self.away = self.away != UNASKED, ""
        if was_lost:
            log.info("webhooks are taken again")

    def _lost(self, error: Exception) -> None:
        """Who waits is told before the sink is closed, which takes time."""
        why = (
            str(error) if isinstance(error, BrokerUnavailable | AnswersError) else f"the log failed: {place_of(error)}"
        )
        with self._changed:
            is_new, self.away = why != self.away, why
            waiting, self._waiting = self._waiting, []
        _resolve((one, Reason.broker) for one in waiting)
        if is_new:
            log.warning("webhooks are answered with 503: %s", why)

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, AGAIN_SECONDS)


def _committed(waiting: Sequence[Waiting], intakes: Mapping[str, Intake]) -> Sequence[Outcome]:
    """What fails for one alone, or for one source, is not the others' fault. Raises :class:`BrokerUnavailable`."""
    said = [(one, _done(one.source, partial(intakes[one.source].take, one.documents))) for one in waiting]
    settled = {source: _done(source, intakes[source].settle) for source in {one.source for one in waiting}}
    return [(one, Reason.taken if was_said and settled[one.source] else Reason.failed) for one, was_said in said]


def _done(source: str, work: Callable[[], None]) -> bool:
    try:
        work()
    except BrokerUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  # its text may hold what the webhook said
        log.error("webhooks of %s cannot be stored: %s", source, place_of(error))
        return False
    return True


def _resolve(outcomes: Iterable[Outcome]) -> None:
    """Each where it is awaited, with one call for all that are awaited there."""
    by_loop: dict[AbstractEventLoop, list[Outcome]] = defaultdict(list)
    for one, reason in outcomes:
        by_loop[one.outcome.get_loop()].append((one, reason))
    for loop, there in by_loop.items():
        with suppress(RuntimeError):  # it is closed: nobody waits there any more
            loop.call_soon_threadsafe(_tell, there)


def _tell(outcomes: Sequence[Outcome]) -> None:
    for one, reason in outcomes:
        if not one.outcome.done():
            one.outcome.set_result(reason)


def place_of(error: BaseException) -> str:
    """Its kind and where it was raised. Its text may hold what a webhook said."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
