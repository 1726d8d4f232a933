"""The fold ``cases``: events and marks of one partition -> facts, and records for other cases (DESIGN 4 and 5).

:class:`Cases` takes batches of records and gives back effects; state is a mapping from key to bytes that it only reads.
Outputs are a function of the log record by record: however it is cut into batches, the facts that hold after
any record have been said, with the offset of that record as their version.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from msgspec import Struct

from ingest import event as e
from streams import fact as f
from streams.clock import FAR, NEVER
from streams.effects import Effects, Output
from streams.fold import FORMAT
from streams.picture import Partition, only_partition
from streams.row import RowStart, decode_start
from streams.timeline import microseconds
from streams.touch import NOTHING_PASSED, Passed, Touch

if TYPE_CHECKING:
    from streams.configuration import Configuration

OfACase = e.CaseEvent | e.Suggestion | e.InternalEvent
_OF_A_CASE = frozenset(get_args(OfACase))
REFOLD = 16
ROOM = 1_000
REJECTED_BYTES = 64 * 1024
META = "\U0010ffff"

_encoder = msgspec.msgpack.Encoder()


class Meta(Struct, array_like=True, gc=False):
    """The partition's own row: what has been read of it. ``counts`` are for ``/metrics``."""

    offset: int = -1
    config: int = 0
    marks: dict[str, int] = {}
    counts: dict[str, int] = {}


_meta = msgspec.msgpack.Decoder(Meta)


class IncompatibleState(Exception):
    """The state was written by another set of measures: fold the events anew, into another state."""


class Cases:
    """The fold over one partition of the events. ``configuration`` gives a version of the configuration; it must hold every
    version that a mark has named. ``of_facts`` tells the partition of a department's facts: the one that :attr:`Output.owner` leads
    to. Raises :class:`IncompatibleState` on a state of other measures.
    """

    def __init__(
        self,
        state: Mapping[str, bytes],
        partition: int,
        configuration: Callable[[int], Configuration],
        of_facts: Partition = only_partition,
    ) -> None:
        self.state, self.partition, self.configuration, self.of_facts = state, partition, configuration, of_facts
        self.changes: dict[str, bytes | None] = {}
        self.outputs: list[Output] = []
        self.obsolete: dict[str, None] = {}
        self.passed: dict[str, Passed] = {}
        stored = state.get(META)
        self.meta = Meta() if stored is None else _meta.decode(stored)
        self.wakes: dict[str, list[tuple[int, str]]] = {}
        self.awaited: dict[str, int] = {}
        """The watermark that a case waits for. In the heaps of ``wakes`` lie others too, that it waited for once."""
        self.outdated: deque[str] = deque()
        for key, start in self._rows():
            if start.format != FORMAT:
                raise IncompatibleState(
                    "this was measured by a crossdesk with other measures: use that one, or measure everything anew into the next"
                    " generation with `crossdesk rebuild`"
                )
            if start.wake < FAR:
                self._wakes(key).append((start.wake, key))
                self.awaited[key] = start.wake
            if start.config < self.meta.config and not start.stub:
                self.outdated.append(key)
        for heap in self.wakes.values():
            heapq.heapify(heap)
        self.outdated = deque(sorted(self.outdated))

    # -- batches
    def batch(self, records: Iterable[tuple[int, bytes]]) -> Effects:
        """Fold ``(offset, record)`` in order. The caller carries the effects out, in their order, before the next batch."""
        self.changes, self.outputs, self.obsolete = {}, [], {}
        run: dict[str, list[tuple[int, OfACase]]] = {}
        before = self.meta.offset
        for offset, raw in records:
            if offset <= self.meta.offset:
                continue
            self.meta.offset = offset
            try:
                record: Any = e.decode(raw)
            except e.Unreadable as error:
                self.count("unreadable")
                self.say("rejected", str(offset), rejected(self.partition, offset, error, raw))
            else:
                kind = type(record)  # a union of 28 types takes isinstance longer than all else here
                if kind in _OF_A_CASE:
                    run.setdefault(record.key, []).append((offset, record))
                elif kind is e.Watermark:
                    self._pass(record, offset)
                elif kind is e.ConfigMark:
                    self._finish(run)
                    self._follow(record)
            if self.outdated:
                self._finish(run)
                self._refold_some(offset)
        self._finish(run)
        for key in list(self.obsolete):
            self.put(key, None)
        if self.meta.offset > before:
            self.changes[META] = _encoder.encode(self.meta)
        return Effects(self.outputs, self.changes)

    def _finish(self, run: dict[str, list[tuple[int, OfACase]]]) -> None:
        """One case at a time, from bytes to bytes, through its records and the watermarks between them: that keeps its data in
        the processor's cache, and says what changes several times in a batch once.
        """
        passed, self.passed = self.passed, {}
        due: set[str] = set()
        for source, marks in passed.items():
            due |= self._due(source, marks.untils[-1])
        for case_id in sorted(due):
            run.setdefault(case_id, [])
        for case_id, items in run.items():
            touch = Touch(self, case_id)
            if case_id in due:
                touch.awaits = FAR
            touch.live(items, passed.get(touch.source, NOTHING_PASSED))
            touch.close()
        run.clear()
        for source, marks in passed.items():
            self.meta.marks[source] = marks.untils[-1]
            self._forward(f.WatermarkPassed(source=source, partition=self.partition, until=marks.untils[-1]))

    def _pass(self, mark: e.Watermark, offset: int) -> None:
        """Cases hear of it when they are next in hand. A mark that lags behind says what the one before it said."""
        passed = self.passed.setdefault(mark.source, Passed([], []))
        before = passed.untils[-1] if passed.untils else self.meta.marks.get(mark.source, NEVER)
        passed.offsets.append(offset)
        passed.untils.append(max(microseconds(mark.data.until), before))

    def _follow(self, mark: e.ConfigMark) -> None:
        """Everything from here on is folded by this version, and bit by bit what lies here already."""
        meta, version = self.meta, mark.data.version
        if version > meta.config:
            meta.config = version
            self.outdated = deque(sorted(k for k, start in self._rows() if start.config < version and not start.stub))
        self._forward(f.ConfigPassed(partition=self.partition, version=meta.config))

    def _forward(self, mark: f.WatermarkPassed | f.ConfigPassed) -> None:
        self.say("facts", "", f.encode(mark))

    def _due(self, source: str, until: int) -> set[str]:
        """The cases that wait for a watermark up to ``until``."""
        heap, due = self._wakes(source), set()
        while heap and heap[0][0] <= until:
            wake, case_id = heapq.heappop(heap)
            if self.awaited.get(case_id) == wake:
                del self.awaited[case_id]  # whoever has it in hand says what it waits for next
                due.add(case_id)
        return due

    def _refold_some(self, offset: int) -> None:
        """A bounded number of outdated cases is folded again after each record, at that record's version."""
        for _ in range(min(REFOLD, len(self.outdated))):
            touch = Touch(self, self.outdated.popleft())
            if touch.row.config < self.meta.config and not touch.row.stub and touch.row.offset <= offset:
                touch.refold(offset)
                touch.close()

    # -- state
    def get(self, key: str) -> bytes | None:
        if key in self.obsolete:
            return None
        return self.changes[key] if key in self.changes else self.state.get(key)

    def put(self, key: str, value: bytes | None) -> None:
        """Changes are carried out in this order: what a row refers to comes before the row."""
        self.changes.pop(key, None)
        self.changes[key] = value
        self.obsolete.pop(key, None)

    def drop(self, keys: Iterable[str]) -> None:
        """Delete these at the end of the batch, after every row that referred to them, unless they are written again."""
        self.obsolete.update(dict.fromkeys(keys))

    def say(self, topic: str, owner: str, value: bytes) -> None:
        self.outputs.append(Output(topic, owner, value))

    def wait(self, case_id: str, wake: int) -> None:
        """From now on the case waits for that watermark; :data:`FAR`: for none."""
        if self.awaited.get(case_id, FAR) == wake:
            return
        if wake < FAR:
            self.awaited[case_id] = wake
            heap = self._wakes(case_id)
            heapq.heappush(heap, (wake, case_id))
            if len(heap) > 2 * len(self.awaited) + ROOM:
                heap[:] = sorted({(at, case) for at, case in heap if self.awaited.get(case) == at})
        else:
            del self.awaited[case_id]

    def _wakes(self, case_id: str) -> list[tuple[int, str]]:
        return self.wakes.setdefault(case_id.partition("/")[0], [])

    def _rows(self) -> Iterator[tuple[str, RowStart]]:
        for key in {*self.state, *self.changes}:
            value = self.get(key)
            if value is not None and "\x00" not in key and key != META:
                yield key, decode_start(value)

    def count(self, what: str) -> None:
        self.meta.counts[what] = self.meta.counts.get(what, 0) + 1


def rejected(partition: int, offset: int, error: e.Unreadable, raw: bytes) -> bytes:
    """What ``crossdesk.rejected`` keeps of a record: enough to mend and replay it. Of a large one the beginning; the whole lies in
    its place.
    """
    place = {"topic": "events", "partition": partition, "offset": offset, "bytes": len(raw)}
    return msgspec.json.encode(
        {"reason": error.reason, **place, "raw": raw[:REJECTED_BYTES].decode("utf-8", "replace")}
    )
