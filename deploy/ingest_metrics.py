"""What the intake says of itself to Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from deploy.ingesting import Way
from ingest.answers.store import AnswerStore
from ingest.event import Answered, Created, Rated
from ingest.inbox import Inbox
from ingest.polling import Poller
from ingest.webhooks.app import Hooks
from sinks.prometheus import Count, Exporter

REFUSED = 400
OF = ("source",)
KINDS = ("events", "persons", "rejected")
ANSWERS: frozenset[type] = frozenset((Answered, Rated))


class Taking(Protocol):
    """The stage. ``marked``: up to when all of a source that is not asked is believed to have been said, in seconds since
    1970; ``missing``: how many events of a source had not been said when it was last walked whole.
    """

    @property
    def ways(self) -> Mapping[str, Way]: ...
    @property
    def pollers(self) -> Mapping[str, Poller]: ...
    @property
    def inboxes(self) -> Mapping[str, Inbox]: ...
    @property
    def hooks(self) -> Hooks | None: ...
    @property
    def store(self) -> AnswerStore | None: ...
    @property
    def marked(self) -> Mapping[str, float]: ...
    @property
    def missing(self) -> Mapping[str, int]: ...


class Total:
    """A counter that is told where it stands."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._stands: dict[tuple[tuple[str, str], ...], int] = {}

    def stands(self, value: int, **labels: str) -> None:
        key = tuple(labels.items())
        self._count.add(value - self._stands.get(key, 0), **labels)
        self._stands[key] = value


class Metrics:
    def __init__(self, exporter: Exporter, stage: Taking) -> None:
        self._stage = stage

        def total(name: str, text: str, labels: tuple[str, ...] = OF) -> Total:
            return Total(exporter.count(name, text, labels))

        self._records = total("ingest_records_total", "Records said, by what they are.", ("source", "kind"))
        self._pages = total("ingest_pages_total", "Pages and files of a source, acknowledged.")
        self._failures = total("ingest_failures_total", "Times that a source did not answer as it should.")
        self._hooks = total("ingest_hooks_total", "Webhooks, by what they were answered.", ("source", "code"))
        self._refused = total("ingest_rejected_total", "Webhooks that were not taken, by reason.", ("source", "reason"))
        self._up = exporter.level("ingest_source_up", "1: it answered when it was last asked; 0: it fails.", OF)
        self._until = exporter.level(
            "ingest_watermark_timestamp_seconds", "Everything of the source up to then has been said.", OF
        )
        self._unresolved = exporter.level(
            "ingest_unresolved_persons_ratio", "Of the persons told, those known only by the source's own id.", OF
        )
        self._missing = exporter.level(
            "reconcile_missing",
            "Events that had not been said when the source was last walked whole; they are by now.",
            OF,
        )
        self._answers = exporter.level(
            "ingest_answers", "Answers to surveys, as they were when the week last changed.", ("kind",)
        )

    def look(self) -> None:
        """Nothing moves because somebody has answered: what was scraped before and after would tell when (docs/feedback.md)."""
        self._of_ways()
        self._of_pollers()
        for name, until in list(self._stage.marked.items()):
            self._until.set(until, source=name)
        for name, missing in list(self._stage.missing.items()):
            self._missing.set(missing, source=name)
        if self._stage.hooks is not None:
            self._of_hooks(self._stage.hooks)
        if self._stage.store is not None:
            counts = self._stage.store.counts
            for kind in counts.__struct_fields__:
                self._answers.set(getattr(counts, kind), kind=kind)

    def _tells_answers(self, source: str) -> bool:
        """And nothing else, or little: who calls it does so with an answer."""
        way = self._stage.ways.get(source)
        return way is not None and bool(ANSWERS & way.connector.tells) and Created not in way.connector.tells

    def _of_ways(self) -> None:
        for name, way in self._stage.ways.items():
            for kind in KINDS:
                self._records.stands(getattr(way.counts, kind), source=name, kind=kind)
            if told := way.people.known + way.people.unknown:
                self._unresolved.set(way.people.unknown / told, source=name)

    def _of_pollers(self) -> None:
        standings = {name: poller.standing for name, poller in self._stage.pollers.items()}
        standings |= {name: inbox.standing for name, inbox in self._stage.inboxes.items()}
        for name, standing in standings.items():
            self._up.set(0 if standing.failing else 1, source=name)
            if not self._tells_answers(name):
                self._pages.stands(standing.pages, source=name)
            self._failures.stands(standing.failures, source=name)
            if standing.until:
                self._until.set(standing.until, source=name)

    def _of_hooks(self, hooks: Hooks) -> None:
        answered: dict[tuple[str, int], int] = {}
        for (source, code, reason), number in list(hooks.counts.items()):
            if self._tells_answers(source):
                continue
            answered[source, code] = answered.get((source, code), 0) + number
            if code >= REFUSED:
                self._refused.stands(number, source=source, reason=reason)
        for (source, code), number in answered.items():
            self._hooks.stands(number, source=source, code=str(code))
