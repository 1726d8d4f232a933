"""One case in hand: what a record, the watermark or a new configuration does to it, and what must be said because of that.

The ordinary event is stepped and appended. Whatever comes late, or changes what was, is folded with and without it, and
the difference is said.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Raw

from ingest import event as e
from streams import kinds
from streams.clock import FAR, NEVER, Context
from streams.fold import (
    FORMAT,
    STRUCTURAL,
    STUB_AFTER,
    at_rest,
    corrects,
    difference,
    draw,
    fold,
    fold_whole,
    happen,
    new_head,
    next_wake,
    over,
    resolve,
    settle,
    step,
)
from streams.history import NIL, TAIL, History, head_of
from streams.picture import Key, Picture, records
from streams.row import (
    Row,
    Stub,
    Taken,
    absorbed,
    decode_row,
    decode_stub,
    encode,
    foreign_moments,
    payload_hash,
    same_meaning,
)
from streams.timeline import Moment, moment

if TYPE_CHECKING:
    from streams.cases import Cases

SKEW_US = 5 * 60 * 1_000_000
LIFE = (kinds.created, kinds.reopened, kinds.solved, kinds.closed, kinds.deleted)


class Passed(NamedTuple):
    """Watermarks of one source, in order: their offsets, and until when each says that all is known."""

    offsets: list[int]
    untils: list[int]


NOTHING_PASSED = Passed([], [])


class Touch:
    """One case while it is in hand: decoded once, changed by some records, written once by :meth:`close`."""

    __slots__ = ("awaits", "case_id", "cases", "history", "now", "row", "said", "source", "touched")

    def __init__(self, cases: Cases, case_id: str) -> None:
        self.cases, self.case_id = cases, case_id
        stored = cases.get(case_id)
        self.row = Row(FORMAT, cases.meta.config) if stored is None else decode_row(stored)
        self.history = History(case_id, self.row.log, cases.get, cases.put)
        self.source = case_id.partition("/")[0]
        self.now = cases.meta.marks.get(self.source, NEVER)
        self.said: dict[Key, Picture] = {}
        self.touched = False
        self.awaits = self.row.wake  # as far as ``cases`` knows

    def begin(self, offset: int) -> None:
        self.touched, self.history.version = True, offset

    # -- what happens to it
    def live(self, items: Iterable[tuple[int, e.CaseEvent | e.Suggestion | e.InternalEvent]], passed: Passed) -> None:
        """Its records, and the watermarks that passed before, between and after them."""
        offsets, reached = passed.offsets, 0
        for offset, record in items:
            before, reached = reached, bisect_left(offsets, offset, reached)
            if before < reached:
                self.pass_time(passed, before, reached)
            self.take(record, offset)
        if reached < len(offsets):
            self.pass_time(passed, reached, len(offsets))

    def pass_time(self, passed: Passed, first: int, end: int) -> None:
        """Watermarks ``first`` to ``end`` (exclusive), one at least: each that the case waits for wakes it."""
        offsets, untils = passed
        while self.row.wake <= untils[end - 1]:
            known = bisect_right(offsets, self.row.offset, first, end)  # folded further before a crash
            first = max(known, bisect_left(untils, self.row.wake, first, end))
            if first == end:
                break
            self.now = untils[first]
            self.wake(offsets[first])
            first += 1
        self.now = untils[end - 1]

    def take(self, record: Any, offset: int) -> None:
        """A record of this case: an ``e.CaseEvent``, ``e.Suggestion`` or ``e.InternalEvent``."""
        row = self.row
        if offset <= row.offset:
            return
        self.begin(offset)
        if row.stub:
            self.thaw(offset)
        kind = type(record)
        if kind is e.Revive:
            self.revive(record, offset)
        elif kind is e.Absorbed:
            self.absorb(record, offset)
        else:
            self.add(moment(record), offset)
        self.pass_on(offset)
        row.offset = offset

    def wake(self, offset: int) -> None:
        """The watermark has reached what this case waited for."""
        row = self.row
        self.begin(offset)
        self.judge(offset)  # before anything is folded again: that compares with what the watermark already says
        ready = sorted((m for m in row.held if m.time <= self.now + SKEW_US), key=lambda m: m.order)
        row.held = [m for m in row.held if m.time > self.now + SKEW_US]
        outdated = row.config < self.cases.meta.config
        for m in ready:
            self.add(m, offset)
        if outdated:
            self.change(lambda moments: moments, offset)
        if ready or outdated:
            self.judge(offset)
        self.pass_on(offset)
        if row.head is not None and at_rest(row.head, self.now) and not row.held:
            self.shrink()
        row.offset = max(row.offset, offset)

    def judge(self, offset: int) -> None:
        """Say what the watermark decides, and find when it must come back."""
        wake = FAR
        if self.row.head is not None:
            ctx = self.context(offset)
            ctx.pictures = self.said
            settle(self.row.head, ctx)
            wake = ctx.wake
        self.wake_at(wake)

    def refold(self, offset: int) -> None:
        """The configuration has changed."""
        self.begin(offset)
        self.change(lambda moments: moments, offset)
        self.pass_on(offset)
        self.row.offset = max(self.row.offset, offset)

    # -- moments
    def add(self, m: Moment, offset: int) -> None:
        row = self.row
        if m.time > self.now + SKEW_US:
            self.hold(m)
            return
        known = self.history.find(m.id)
        if known is not None:
            if known.relation or same_meaning(known, m) or not self.wins(m, known):
                return
            self.change_by(m, offset)
        elif m.kind in STRUCTURAL:
            row.structural = True
            self.change_by(m, offset)
        elif row.config < self.cases.meta.config or row.out:
            self.change_by(m, offset)
        elif row.head is None or (m.order > row.head.last and not (row.structural and self.voided(m))):
            self.append(m, offset)
        elif row.structural:
            self.change_by(m, offset)
        else:
            self.insert(m, offset)
        if m.kind == kinds.child_linked:
            row.child = True

    def change_by(self, m: Moment, offset: int) -> None:
        """``m`` comes among the others, or instead of that of the same id."""
        self.change(lambda moments: [*(k for k in moments if k.id != m.id), m], offset)

    def voided(self, m: Moment) -> bool:
        """A correction came before what it corrects."""
        moments = self.history.load()[1]
        return any(k.kind == kinds.corrected and not k.relation and corrects(k) == m.id for k in moments)

    def append(self, m: Moment, offset: int) -> None:
        """The ordinary way: the last moment so far."""
        row = self.row
        ctx = self.context(offset)
        ctx.pictures = self.said
        if row.head is None:
            row.head = new_head()
        head = row.head
        step(head, m, ctx)
        case = head.case
        if case.split_at is not None or case.lapses_at is not None:
            happen(head, ctx, self.now)
        self.history.append(m, head)
        if (ended := over(head)) is not None:
            ctx.wake = min(ctx.wake, max(ended + STUB_AFTER, self.now + 1))
        if ctx.freed <= row.wake < FAR:  # or it would be woken for nothing
            self.wake_at(min(ctx.wake, next_wake(head)))
        else:
            row.wake = min(row.wake, ctx.wake)

    def insert(self, m: Moment, offset: int) -> None:
        """A late moment: fold again from the segment before it, with and without it, and say what differs."""
        first = self.history.locate(m.order)
        base, moments = self.history.load(first)
        before, after = self.context(offset), self.context(offset)
        fold(head_of(base) or new_head(), moments, before)
        changed = sorted((*moments, m), key=lambda k: k.order)
        self.rewrite(first, base, changed, after)
        self.said.update(difference(before, after))

    def change(self, edit: Callable[[list[Moment]], list[Moment]], offset: int) -> None:
        """The general way: fold everything as it was and as it is to be, and say what differs."""
        row = self.row
        _, moments = self.history.load()
        before = self.context(offset)
        fold_whole(moments, before)
        row.config = self.cases.meta.config
        changed = sorted(edit(moments), key=lambda k: k.order)
        after = self.context(offset)
        self.replace(changed, after)
        self.said.update(difference(before, after))

    def change_to(self, moments: Sequence[Moment], offset: int) -> None:
        """All moments of the case are these; what is too far ahead is held."""
        ready = self.now + SKEW_US
        self.row.held = [m for m in moments if m.time > ready]
        self.change(lambda _: [m for m in moments if m.time <= ready], offset)

    def replace(self, moments: Sequence[Moment], ctx: Context) -> None:
        """Fold these from the beginning, and keep them."""
        row = self.row
        row.out = False
        if not row.structural:
            self.rewrite(0, NIL, moments, ctx)
            return
        row.head, standing = fold_whole(moments, ctx)
        row.out = bool(standing.reason)
        chunks = [moments[i : i + TAIL] for i in range(0, len(moments), TAIL)] or [[]]
        self.history.rewrite(0, [(NIL, chunk) for chunk in chunks])
        row.into = self.beside(standing.into)
        self.wake_at(ctx.wake)

    def rewrite(self, first: int, base: Raw, moments: Sequence[Moment], ctx: Context) -> None:
        """Fold ``moments`` on from ``base`` and store them in segments from number ``first`` on."""
        head = head_of(base) or new_head()
        draw(head, ctx)
        chunks: list[tuple[Raw, Sequence[Moment]]] = []
        for start in range(0, max(len(moments), 1), TAIL):
            chunk = moments[start : start + TAIL]
            chunks.append((base if not start else Raw(encode(head)), chunk))
            for m in chunk:
                step(head, m, ctx)
        settle(head, ctx)
        self.history.rewrite(first, chunks)
        self.row.head = head
        self.wake_at(ctx.wake)

    def hold(self, m: Moment) -> None:
        """Too far beyond the watermark to be believed yet."""
        row = self.row
        same = next((h for h in row.held if h.id == m.id), None)
        if same is not None and (same_meaning(same, m) or not self.wins(m, same)):
            return
        if same is None:
            self.cases.count("held")
        row.held = [*(h for h in row.held if h.id != m.id), m]
        row.wake = min(row.wake, m.time - SKEW_US)

    def wins(self, new: Moment, known: Moment) -> bool:
        """Two records with one id and different meanings: the smallest payload stands, whatever their order."""
        self.cases.count("id_conflict")
        return payload_hash(new) < payload_hash(known)

    # -- other cases
    def absorb(self, record: e.Absorbed, offset: int) -> None:
        """Another case speaks here, because it was merged into this one, or serves it. The newest version stands."""
        if self.know(record):
            own = [m for m in (*self.history.load()[1], *self.row.held) if not m.relation]
            self.change_to([*own, *self.foreign()], offset)

    def know(self, record: e.Absorbed) -> bool:
        """Keep what the other case says, if it is newer than what it said before."""
        row, data = self.row, record.data
        known = row.absorbed.get(data.origin)
        if known is not None and known.version >= data.version:
            return False
        row.absorbed = {**row.absorbed, data.origin: Taken(data.version, data.entries)}
        return True

    def foreign(self) -> Iterable[Moment]:
        """What other cases say, each moment once: merged speaks louder than child."""
        told = [m for taken in self.row.absorbed.values() for m in foreign_moments(taken)]
        return {m.id: m for m in sorted(told, key=lambda m: -m.relation)}.values()

    def pass_on(self, offset: int) -> None:
        """Tell other cases what this one has to say to them, where that has changed."""
        row = self.row
        if row.stub or not (row.into or row.child or row.sent):
            return
        own, standing = resolve([m for m in self.history.load()[1] if not m.relation])
        wanted: dict[str, tuple[e.Entry, ...]] = {}
        links = [m for m in own if m.kind == kinds.child_linked]
        if links and not standing.reason:
            speaks = [m for m in own if m.kind in LIFE]
            wanted[self.beside(links[-1].text)] = (e.Entry((self.case_id,), True, tuple(map(encode, speaks))),)
        if row.into:
            entries = [e.Entry((self.case_id,), False, tuple(map(encode, own)))]
            for taken in row.absorbed.values():
                for entry in taken.entries:
                    if row.into not in entry.path and self.case_id not in entry.path:
                        entries.append(e.Entry((*entry.path, self.case_id), entry.child, entry.events))
            wanted[row.into] = tuple(sorted(entries, key=lambda entry: entry.path))
        for target in sorted({*wanted, *row.sent}):
            told = wanted.get(target, ())
            digest = hashlib.blake2b(encode(told), digest_size=16).digest() if told else b""
            if target != self.case_id and row.sent.get(target, b"") != digest:
                row.sent = {**row.sent, target: digest}
                self.cases.say("events", target, absorbed(target, self.case_id, offset, told, self.now))

    def beside(self, subject: str) -> str:
        """Another case of the same source."""
        return f"{self.source}/{subject}" if subject else ""

    # -- stubs
    def shrink(self) -> None:
        """Closed long ago, and nothing runs: fold the row up small. It unfolds when something late comes."""
        row = self.row
        _, moments = self.history.load()
        row.stub = zlib.compress(encode(Stub(moments, row.absorbed)), 1)
        self.history.forget()
        row.head, row.absorbed, row.wake = None, {}, FAR

    def thaw(self, offset: int) -> None:
        """Unfold a stub. Its facts are said already, under the configuration that its row names."""
        row = self.row
        stub = decode_stub(zlib.decompress(row.stub))
        row.stub, row.absorbed = b"", stub.absorbed
        self.replace(stub.moments, self.context(offset))
        self.cases.count("late")

    def revive(self, record: e.Revive, offset: int) -> None:
        """Fold the case anew from all its stored records, and say what differs (`crossdesk repair`). What came since they were read
        stays.
        """
        row = self.row
        own = {m.id: m for m in (*self.history.load()[1], *row.held) if not m.relation}
        for raw in record.data.records:
            stored = e.decode(raw)
            if isinstance(stored, e.Absorbed):
                self.know(stored)
            elif isinstance(stored, e.CaseEvent | e.Suggestion):
                m = moment(stored)
                own[m.id] = min((k for k in (m, own.get(m.id)) if k is not None), key=payload_hash)
        row.structural = any(m.kind in STRUCTURAL for m in own.values())
        row.child = any(m.kind == kinds.child_linked for m in own.values())
        self.change_to([*own.values(), *self.foreign()], offset)

    # -- the end
    def context(self, offset: int) -> Context:
        return Context(self.cases.configuration(self.row.config), self.case_id, self.now, offset)

    def wake_at(self, wake: int) -> None:
        times = [m.time - SKEW_US for m in self.row.held]
        self.row.wake = min(wake, min(times)) if times else wake

    def close(self) -> None:
        """Say the facts, and write the row."""
        row = self.row
        if row.wake != self.awaits:
            self.cases.wait(self.case_id, row.wake)
        if not self.touched:
            return
        if self.said:
            self.cases.outputs += records(self.said, self.case_id, self.cases.of_facts)
        packed = b"".join((encode(row), b""))  # a copy: an encoder leaves up to half as much behind free
        self.cases.put(self.case_id, packed)
        if self.history.obsolete:
            self.cases.drop(self.history.obsolete)
