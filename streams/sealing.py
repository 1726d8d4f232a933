"""The fold ``sealing``: answers, ratings and marks of ``crossdesk.feedback`` -> closed batches, by the rules of docs/sealing.md.

:class:`Sealing` takes batches of records and gives back effects, as :class:`streams.cases.Cases` does. What it says is a function
of the log record by record, however that is cut. The state is as secret as the log is: it holds the answers that wait. What is
not taken leaves no trace anywhere: neither a count nor a rejected record, for either would tell that somebody has answered.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from ingest import event as e
from streams.cells import Group, Placed, Waiting, closing, items, persons, placed, whose
from streams.clock import NEVER
from streams.effects import Effects, Output
from streams.fact import UNMAPPED
from streams.sealed import RATING, Batch, Kind, encode
from streams.timeline import microseconds

if TYPE_CHECKING:
    from streams.configuration import Configuration

META = "meta"
WAVE = "wave "
DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US
MONDAY_US = 4 * DAY_US
"""The first of 1970."""
OPEN_US = 3 * WEEK_US
"""A wave is closed so long after the first publication with an answer of it, where the company file does not say when."""
BEST = 10
NEW = -1

_WEEK = re.compile(r"\d{4}-W\d\d")
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Meta(Struct, array_like=True, gc=False):
    """``until``: which weeks have been published."""

    offset: int = -1
    config: int = 0
    until: int = NEVER


class Wave(Struct, array_like=True, gc=False):
    """The row of a wave, or of a week of ratings. ``judged``: the offset of the last mark that changed it. ``proofs``: its batches.
    ``spent``: the answers in them, and whose they are; ``released``: how many, by department and what they are about.
    """

    kind: Kind
    name: str
    opened: int
    judged: int = NEW
    closed: bool = False
    proofs: set[bytes] = set()
    spent: set[str] = set()
    released: dict[str, int] = {}

    def close(self) -> None:
        """For ever. Nothing of it is taken any more, so nothing else need be known."""
        self.closed = True
        self.proofs, self.spent, self.released = set(), set(), {}


class Row(Struct, array_like=True, gc=False, frozen=True):
    """Of an answer that waits."""

    kind: Kind
    wave: str
    answer: Waiting


Name = tuple[Kind, str]
Keyed = tuple[str, Placed]
"""An answer by the key of its row."""

_meta = msgspec.msgpack.Decoder(Meta).decode
_wave = msgspec.msgpack.Decoder(Wave).decode
_row = msgspec.msgpack.Decoder(Row).decode


class Sealing:
    """The fold over the one partition of the feedback. ``configuration`` gives a version of the configuration; it must hold every
    version that a mark has named. ``sealed``: every batch that stands in ``crossdesk.sealed``, read to its end.

    A wave says something new only while each batch recorded of it has been found again, answer by answer: by this state, or in
    the log. Else it is closed: what cannot be known to be unsealed counts as sealed.
    """

    def __init__(
        self, state: Mapping[str, bytes], configuration: Callable[[int], Configuration], sealed: Iterable[Batch]
    ) -> None:
        self.configuration = configuration
        self.meta = _meta(state[META]) if META in state else Meta()
        self.waves: dict[Name, Wave] = {}
        self.waiting: dict[Name, dict[str, Waiting]] = defaultdict(dict)
        self.recorded: dict[Name, set[bytes]] = defaultdict(set)
        """The proofs of batches."""
        for batch in sealed:
            self.recorded[batch.kind, batch.wave].add(batch.proof)
        for key in sorted(state):
            if key.startswith(WAVE):
                wave = _wave(state[key])
                self.waves[wave.kind, wave.name] = wave
            elif key != META:
                row = _row(state[key])
                self.waiting[row.kind, row.wave][key] = row.answer
        self._begin()
        for name, wave in self.waves.items():  # whoever was stopped between the row of a wave and those of its answers
            for key in [key for key in self.waiting.get(name, ()) if wave.closed or key in wave.spent]:
                self._let_go(name, key)
        self._stale = self._gone

    def _begin(self) -> None:
        self._outputs: list[Output] = []
        self._came: dict[str, bytes] = {}
        self._changed: dict[Name, Wave] = {}
        self._gone: dict[str, None] = {}

    def batch(self, records: Iterable[tuple[int, bytes]]) -> Effects:
        """Fold ``(offset, record)`` in order. The caller carries the effects out, in their order, before the next batch."""
        self._begin()
        new = [(offset, raw) for offset, raw in records if offset > self.meta.offset]
        for offset, raw in new:
            with suppress(
                e.Unreadable
            ):  # the store has read what it says; to pass it on would show an answer to others
                self._fold(offset, e.decode(raw))
        gone, self._stale = {**self._stale, **self._gone}, {}
        # A row of a wave before the deletion of its answers: they would be taken for new ones, if they came again.
        changes: dict[str, bytes | None] = {key: row for key, row in self._came.items() if key not in gone}
        changes |= {WAVE + _key(*name): _encode(wave) for name, wave in self._changed.items()}
        changes |= dict.fromkeys(gone)
        if new:
            self.meta.offset = new[-1][0]
            changes[META] = _encode(self.meta)
        return Effects(self._outputs, changes)

    def _fold(self, offset: int, record: e.Record) -> None:
        if isinstance(record, e.Answered):
            if record.data.items:
                self._take(offset, record, Kind.answers, record.data.wave, dict(record.data.items), record.data.site)
        elif isinstance(record, e.Rated):
            data = record.data
            if data.score <= data.best and data.best and _WEEK.fullmatch(data.week):
                self._take(offset, record, Kind.ratings, data.week, {RATING: round(BEST * data.score / data.best)})
        elif isinstance(record, e.ConfigMark):
            self.meta.config = max(self.meta.config, record.data.version)
        elif isinstance(record, e.Watermark) and record.source == e.PUBLISHED:
            self._publish(offset, record)

    def _take(
        self, offset: int, event: e.Answered | e.Rated, kind: Kind, wave: str, scores: dict[str, int], site: str = ""
    ) -> None:
        """It waits, unless it is known or comes when its wave has closed."""
        name = kind, wave
        known = self.waves.get(name)
        key = _key(kind, wave, event.id)
        if key in self.waiting[name] or (known and (known.closed or key in known.spent)):
            return
        data = event.data
        person = _digest(kind, wave, data.person)
        answer = Waiting(
            offset,
            bytes.fromhex(event.id.replace("-", "")),
            person,
            event.source,
            data.department,
            site,
            data.about,
            microseconds(event.time),
            scores,
        )
        self.waiting[name][key] = answer
        self._came[key] = _encode(Row(kind, wave, answer))

    # -- when a week has been published
    def _publish(self, offset: int, mark: e.Watermark) -> None:
        """A mark that is repeated, or of a clock that was put back over a Monday, ends no week; after one of a clock that was weeks
        ahead it goes on where the clock is, as the store of answers does. Without a configuration everything waits.
        """
        until, last = microseconds(mark.data.until), self.meta.until
        if until % WEEK_US != MONDAY_US or last - WEEK_US <= until <= last or not self.meta.config:
            return
        self.meta.until = until
        configuration = self.configuration(self.meta.config)
        for name in sorted({*self.waves, *self.waiting}):
            wave = self.waves.get(name)
            if wave is None:
                if not any(answer.offset < offset for answer in self.waiting[name].values()):
                    continue
                wave = self.waves[name] = Wave(*name, opened=until)
            if not wave.closed and wave.judged < offset:
                self._judge(offset, mark.id, wave, configuration)

    def _judge(self, offset: int, mark: str, wave: Wave, configuration: Configuration) -> None:
        """Close what is large enough, and the wave when its time has come."""
        name, until, company = (wave.kind, wave.name), self.meta.until, configuration.company
        ends = company.wave_closes(wave.name) if wave.kind is Kind.answers else None
        final = not wave.opened <= until < (wave.opened + OPEN_US if ends is None else ends)
        waiting: list[Keyed] = []
        refused: list[Keyed] = []
        taken = set(wave.spent)
        for key, answer in sorted(self.waiting[name].items(), key=lambda item: item[1].offset):
            if answer.offset < offset:  # a later one is there if its row was stored, and this mark is read again
                one = placed(answer, company)
                slot = _slot(one)
                (refused if slot in taken else waiting).append((key, one))
                taken.add(slot)
        groups = closing((one for _, one in waiting), wave.released, company, until, final=final)
        batches = [(self._sealed(mark, wave, group), group) for group in groups]
        missing = self.recorded[name] - wave.proofs
        new = [batch for batch, _ in batches if batch.proof not in missing]
        missing -= {batch.proof for batch, _ in batches}
        if missing and new:
            new, final = [], True
        self._outputs += [Output("sealed", "", encode(batch), batch.id) for batch in new]
        if batches or refused or final or wave.judged == NEW:
            wave.judged = offset
            self._changed[name] = wave
            self._spend(wave, waiting, refused, batches)
        if final:
            wave.close()
            for key in list(self.waiting[name]):
                self._let_go(name, key)

    def _spend(
        self,
        wave: Wave,
        waiting: Sequence[Keyed],
        refused: Sequence[Keyed],
        batches: Sequence[tuple[Batch, Group]],
    ) -> None:
        """No answer is in two batches, and of each person none but the first counts."""
        wave.proofs = wave.proofs | {batch.proof for batch, _ in batches}
        members = {member.offset for _, group in batches for member in group.members}
        spent = [(key, one) for key, one in waiting if one.answer.offset in members]
        wave.spent = wave.spent | {_slot(one) for _, one in spent} | {key for key, _ in [*spent, *refused]}
        wave.released = dict(Counter(wave.released) + Counter(whose(one.department, one.about) for _, one in spent))
        for key, _ in [*spent, *refused]:
            self._let_go((wave.kind, wave.name), key)

    def _let_go(self, name: Name, key: str) -> None:
        del self.waiting[name][key]
        self._gone[key] = None

    def _sealed(self, mark: str, wave: Wave, group: Group) -> Batch:
        """The proof is keyed by the mark's id, which is random and forgotten with the log: nobody can try answers on it later."""
        until = self.meta.until
        joined, department, site, about, members = group
        id_ = _digest(wave.kind, wave.name, until, joined, department, site, about)
        proof = blake2b(id_, digest_size=16, key=mark.encode())
        for member in sorted(member.id for member in members):
            proof.update(member)
        return Batch(
            id=id_,
            kind=wave.kind,
            wave=wave.name,
            closed=until,
            joined=joined,
            department=department,
            site=site,
            about=about,
            persons=persons(members),
            items=items(members),
            proof=proof.digest(),
        )


def _digest(*parts: object) -> bytes:
    return blake2b(_encode(parts), digest_size=16).digest()


def _key(*parts: object) -> str:
    """Of a row: it tells no name."""
    return _digest(*parts).hex()


def _slot(one: Placed) -> str:
    """What a person answers once in a wave."""
    answer = one.answer
    return _key(answer.person, *([answer.source, answer.about] if one.about == UNMAPPED else [one.about]))
