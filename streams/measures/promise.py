"""Promises (METRICS 3.1, FEATURES NRM-8)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from streams import kinds
from streams.clock import Clock, Context
from streams.measure import ENDINGS, Measure, Named, ended
from streams.timeline import Case, Moment, actor_department

FIRST, FINAL = "promise_first", "promise_final"


class Promised(Struct, array_like=True, gc=False):
    """One promise: as it was made ``first``, as it stands ``final``ly, and the date that is ``proposed`` instead."""

    id: str
    first: Clock
    final: Clock
    proposed: int | None = None


class Promise(Measure):
    """Does a department keep what it promised? Two facts for each promise, of who made it towards who asked: ``promise_first`` by
    the date that was named first, ``promise_final`` by the last one that both agreed on.

        Mon 09:00 created    finance
        Mon 09:00 routed     it
        Mon 10:00 promised   15
        Mon 11:00 promised   17
        Mon 12:00 promise_accepted
        Mon 15:00 now                    => missed
        Mon 16:00 delivered  it          => missed 6h, met 6h

    A new date counts for ``promise_final`` if it was named and accepted before the one before it had passed; what nobody accepted,
    or accepted too late, helps nobody.

        Mon 09:00 created    finance
        Mon 09:00 routed     it
        Mon 10:00 promised   12
        Mon 11:00 promised   16
        Mon 12:00 now                    => missed, missed
        Mon 13:00 promise_accepted
        Mon 14:00 solved     it          => missed 4h, missed 4h

    What was not delivered before is delivered when the case is solved.
    """

    name = "promise"
    on = (kinds.promised, kinds.promise_accepted, kinds.delivered, *ENDINGS)
    awaits = "clocks"

    promises: tuple[Promised, ...] = ()

    def clocks(self) -> Iterator[Named]:
        for promise in self.promises:
            yield FIRST, promise.first
            yield FINAL, promise.final

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.promised:
            self.promised(m, case, ctx)
        elif kind == kinds.promise_accepted:
            for promise in self._called(m.text):
                final = promise.final
                if promise.proposed is not None and final.due is not None and m.time <= final.due:
                    final.due, promise.proposed = promise.proposed, None
                    ctx.draw(FINAL, final)
        elif kind == kinds.delivered:
            self.keep(self._called(m.text), m.time, ctx)
        elif ended(was, case):
            if kind == kinds.deleted:
                for _, clock in self.clocks():
                    ctx.cancel(clock, m.time)
            self.keep(self.promises, m.time, ctx)

    def promised(self, m: Moment, case: Case, ctx: Context) -> None:
        known = self._called(m.text)
        if known:
            known[0].proposed = m.at
            return
        department = actor_department(ctx.config, ctx.source, case, m)
        first, final = (ctx.start(m.id, m.time, department, case.beneficiary) for _ in (FIRST, FINAL))
        first.due = final.due = m.at
        self.promises = (*self.promises, Promised(m.text, first, final))
        ctx.draw(FIRST, first)
        ctx.draw(FINAL, final)

    def keep(self, promises: tuple[Promised, ...], at: int, ctx: Context) -> None:
        """They are done with."""
        for promise in promises:
            for name, clock in ((FIRST, promise.first), (FINAL, promise.final)):
                if clock.stop is None:
                    ctx.end(clock, at)
                ctx.draw(name, clock)
        self.promises = tuple(promise for promise in self.promises if promise not in promises)

    def _called(self, id: str) -> tuple[Promised, ...]:
        return tuple(promise for promise in self.promises if promise.id == id)
